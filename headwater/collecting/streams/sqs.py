"""Reads the messages of a queue: received, counted, landed, and only then deleted; what comes again is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from headwater.clock import Clock
from headwater.collecting.errors import CollectFailed
from headwater.collecting.streams.remembered import Remembered
from headwater.collecting.streams.rows import ENOUGH, NoRow, RowsFile, rows_of
from headwater.collecting.streams.store import Queue
from headwater.collecting.types import Batch, Request
from headwater.declare import Sqs
from headwater.json_values import dumps
from headwater.storage.clients import Clients

BATCH_SECONDS = 300
"""Age of a batch after which no further message is added to it."""
LITTLE = 120.0
"""Seconds that are left when this may be the last batch of a call."""
WAIT_SECONDS = 2
"""How long a call waits for messages: without waiting SQS asks some of its servers only, and finds none of a few."""


def read_queue(
    reads: Sqs,
    request: Request,
    clients: Clients,
    *,
    now: Clock,
    pause: Callable[[float], None],
    wait: int = WAIT_SECONDS,
) -> Iterator[Batch]:
    """Batches of the messages that were sent before the run began, in the order in which the queue gives them.

    Raises
    ------
    CollectFailed
        The queue refuses; after the last batch, if a body is no JSON object.
    """
    if request.cursor is not None and not isinstance(request.cursor, Mapping):
        raise CollectFailed(
            f"a queue has no cursor that can be set, and {str(request.cursor)[:60]!r} was: headwater collect reset "
            f"{request.collector} without --to"
        )
    queue = Queue(reads, clients, request.collector, pause)
    if reads.invalid == "leave" and not queue.has_dead_letters:
        raise CollectFailed(
            f"queue {reads.queue} has no dead-letter queue, and what invalid='leave' leaves would come again until "
            "it is lost: give the queue a redrive policy"
        )
    with RowsFile(request.folder) as rows:
        yield from _Receiving(reads, request, queue, rows, now, wait).batches()


class _Receiving:
    """One call's messages."""

    def __init__(self, reads: Sqs, request: Request, queue: Queue, rows: RowsFile, now: Clock, wait: int) -> None:
        self._reads, self._request, self._queue, self._rows, self._now = reads, request, queue, rows, now
        self._wait, self._began = wait, now()
        self._remembered = Remembered(request.memory)
        self._landed: int = (request.cursor or {}).get("messages", 0)
        self._taken: dict[str, tuple[str, datetime]] = {}
        """Handle and time of each message of the next batch, by its id."""
        self._known: dict[str, str] = {}
        """Handles of messages that have landed before."""
        self._invalid: dict[str, tuple[str, str]] = {}
        """Handle of each message that stays in the queue and why it does, by its id."""
        self._blocked: set[str] = set()
        """Groups of a FIFO queue with such a message, unless it is left: what comes after it waits."""

    def batches(self) -> Iterator[Batch]:
        is_over = False
        while not is_over:
            is_over = self._receive()
            self._queue.delete(list(self._known.values()))
            self._known.clear()
            if is_over or self._request.seconds_left() < LITTLE:
                # Visible at once: the run's next call or try fails likewise, instead of finding nothing.
                self._queue.show([handle for handle, _ in self._invalid.values()])
            if self._taken:
                yield self._batch()
            elif not is_over:
                yield Batch()
        self._refuse_invalid()

    def _batch(self) -> Batch:
        self._remembered.add(((id_, sent) for id_, (_, sent) in self._taken.items()), self._queue.keeps)
        memory = self._remembered.dump(self._now())
        self._landed += len(self._taken)
        handles = [handle for handle, _ in self._taken.values()]
        self._taken = {}
        cursor = {"messages": self._landed, "sha256": sha256(memory).hexdigest()}
        return self._rows.batch(cursor=cursor, memory=memory, landed=lambda: self._queue.delete(handles))

    def _receive(self) -> bool:
        """Take messages for a batch; True if the queue has no more that were sent before the run began."""
        began = self._now()
        try:
            while True:
                found = self._queue.receive(self._wait)
                if found is None and not self._taken:
                    raise CollectFailed(
                        f"queue {self._reads.queue} has as many hidden messages as SQS allows: who reads it?"
                    )
                if found is None:
                    return False
                if not found:
                    # A FIFO queue gives no more of a group until what it gave is deleted.
                    return not self._taken
                sent = [self._take(message) for message in found]
                if all(moment >= self._began for moment in sent):
                    return True
                if (
                    self._rows.is_full(self._reads.batch_rows)
                    or self._request.seconds_left() < ENOUGH
                    or self._now() - began > timedelta(seconds=BATCH_SECONDS)
                ):
                    return False
        except Exception:
            self._queue.show([handle for handle, _ in self._taken.values()])
            raise

    def _take(self, message: Mapping[str, Any]) -> datetime:
        """Add a message to the batch unless it is known or can't be read; the time at which it was sent."""
        id_, handle, attributes = message["MessageId"], message["ReceiptHandle"], message["Attributes"]
        sent_at = datetime.fromtimestamp(int(attributes["SentTimestamp"]) / 1000, UTC)
        group = attributes.get("MessageGroupId", "")
        if id_ in self._taken:
            # Received again: only the newest handle deletes it.
            self._taken[id_] = (handle, sent_at)
        elif id_ in self._remembered:
            self._known[id_] = handle
        elif id_ in self._invalid or (group and group in self._blocked):
            self._invalid[id_] = (handle, self._invalid.get(id_, ("", ""))[1])
        else:
            try:
                self._rows.write(rows_of(_unwrapped(message["Body"], self._reads.unwrap)))
                self._taken[id_] = (handle, sent_at)
            except NoRow as error:
                self._invalid[id_] = (handle, str(error))
                if group and self._reads.invalid == "refuse":
                    self._blocked.add(group)
        return sent_at

    def _refuse_invalid(self) -> None:
        """Raise `CollectFailed` if messages can't be read, and it wasn't declared that they may be left."""
        bad = {id_: why for id_, (_, why) in self._invalid.items() if why}
        if bad and self._reads.invalid == "refuse":
            id_, why = next(iter(bad.items()))
            more = f" (and {len(bad) - 1:,} other messages)" if len(bad) > 1 else ""
            raise CollectFailed(
                f"message {id_}{more} of queue {self._reads.queue} is {why}. All others have landed; it stays in the "
                "queue: delete it there, or declare invalid='leave' for the queue's dead-letter queue"
            )


def _unwrapped(body: str, envelope: str | None) -> str:
    """The body without its envelope; raises `NoRow` if it has none."""
    if envelope is None:
        return body
    name, expected = {"sns": ("Message", "an SNS notification"), "eventbridge": ("detail", "an EventBridge event")}[
        envelope
    ]
    found, *more = rows_of(body)
    inner = found.get(name)
    is_one = found.get("Type") == "Notification" if envelope == "sns" else "detail-type" in found
    if more or not is_one or inner is None:
        raise NoRow(f"no envelope of {expected}: {body[:40]!a}")
    if envelope == "sns":
        if not isinstance(inner, str):
            raise NoRow(f"{expected} whose message isn't a text")
        return inner
    return dumps(inner)
