"""The online store: one DynamoDB item an entity and group of views with the same join keys.

An item has its key ``pk``, an attribute ``v<version>`` (Binary, `headwater.features.online.encoding`) for each version
of a view that was ever brought online, and ``expires``, the latest moment that any of them needs.
"""

from __future__ import annotations

import time
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from headwater.features.errors import ItemTooLarge, OnlineStoreBusy
from headwater.features.online.reading import attribute_of
from headwater.storage.clients import Clients, error_code
from headwater.storage.http.connection import Connection
from headwater.storage.retries import tries

if TYPE_CHECKING:
    from headwater.declare import FeatureView

T = TypeVar("T")

KEYS_A_READ, STATEMENTS_A_WRITE = 100, 25
ATTEMPTS, LONGEST_PAUSE = 8, 2.0
GRACE = 7 * 24 * 3600
"""Seconds that an item stays after its ttl, for questions about the recent past."""
THROTTLES = frozenset({"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"})
_LOST = frozenset({"ConditionalCheckFailed", "DuplicateItem"})
_PASSING = frozenset({
    "InternalServerError", "ProvisionedThroughputExceeded", "RequestLimitExceeded", "ThrottlingError",
    "TransactionConflict",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class OnlineWrite:
    """A new value of one entity and view, written unless the stored value is newer."""

    key: str
    value: bytes
    expires: int
    """When DynamoDB may delete the item, in seconds since 1970."""


def kept_for(view: FeatureView) -> int:
    """Seconds after a row's event time until DynamoDB may delete the view's online item."""
    return round(view.ttl.total_seconds()) + GRACE


class OnlineStore:
    """Reads and conditional writes of online items.

    Parameters
    ----------
    table : str
        The features table's name.
    clients : Clients
    pause : callable
        Waits a number of seconds; tests hand in one that doesn't.
    workers : int
        Batches of a hundred items that are read or written at the same time.
    """

    def __init__(
        self, table: str, clients: Clients, *, pause: Callable[[float], None] = time.sleep, workers: int = 16
    ) -> None:
        self.table = table
        self._pause = pause
        self._workers = workers
        self._dynamodb = Connection("dynamodb", clients, pause=pause)

    # -- reading ------------------------------------------------------------------------------------------------

    def read(
        self, keys: Sequence[str], attributes: Sequence[str], *, consistent: bool = False
    ) -> dict[str, dict[str, bytes]]:
        """For each existing item among ``keys``, the values of those ``attributes`` that the item has.

        One BatchGetItem for each hundred keys, all of them at once. Only what is asked for comes over the wire. A
        ``consistent`` read sees every write that was acknowledged, at twice the price.

        Raises
        ------
        OnlineStoreBusy
            Keys stayed unprocessed after all retries.
        """
        chunks = list(_chunks(dict.fromkeys(keys), KEYS_A_READ))
        if len(chunks) == 1:
            found = self._get(chunks[0], attributes, consistent=consistent)
        elif chunks:
            with ThreadPoolExecutor(min(len(chunks), self._workers), thread_name_prefix="online-read") as pool:
                parts = pool.map(lambda chunk: self._get(chunk, attributes, consistent=consistent), chunks)
                found = [item for part in parts for item in part]
        else:
            found = []
        return {
            item["pk"]["S"]: {name: b64decode(item[name]["B"]) for name in attributes if name in item}
            for item in found
        }  # fmt: skip

    def _get(self, keys: Sequence[str], attributes: Sequence[str], *, consistent: bool = False) -> list[dict[str, Any]]:
        request: dict[str, Any] = {"ProjectionExpression": ",".join(("pk", *attributes))}
        if consistent:
            request["ConsistentRead"] = True
        pending = [{"pk": {"S": key}} for key in keys]
        found: list[dict[str, Any]] = []
        for _ in tries(ATTEMPTS, self._pause, longest=LONGEST_PAUSE):
            # Under throttling DynamoDB answers a part and hands the rest back, without an error.
            asked = {"RequestItems": {self.table: {"Keys": pending, **request}}}
            answer = self._call("BatchGetItem", asked)
            found += answer["Responses"].get(self.table, [])
            pending = answer.get("UnprocessedKeys", {}).get(self.table, {}).get("Keys", [])
            if not pending:
                return found
        raise OnlineStoreBusy(
            f"online store {self.table}: {len(pending)} of {len(keys)} keys still unprocessed after "
            f"{ATTEMPTS} attempts; ask again later"
        )

    # -- writing ------------------------------------------------------------------------------------------------

    def write(
        self, version: str, writes: Iterable[OnlineWrite], *, written: Callable[[OnlineWrite, int], bool] | None = None
    ) -> int:
        """Write a view version's values to items, except where an item holds a newer value. Returns how many changed.

        The items are read first, since reading a hundred costs less than a hundred refused writes. The condition of
        each write, not the read, protects newer values: a refused write is decided again on the item's new state. A
        write whose answer was lost finds its own value there.

        Parameters
        ----------
        version : str
            Of the view's definition.
        writes : iterable of OnlineWrite
            Each key once.
        written : callable, optional
            Called with the last write of each hundred, and their number, once that write and all before it are done.
            Returns whether to go on: False ends the writing there, or a few hundred writes later.

        Raises
        ------
        OnlineStoreBusy
            DynamoDB throttled until all retries were spent. Written items stay; calling again is safe.
        ItemTooLarge
            An item would exceed DynamoDB's limit.
        """
        changed, going = 0, True
        in_progress: deque[tuple[list[OnlineWrite], Future[int]]] = deque()
        with ThreadPoolExecutor(self._workers, thread_name_prefix="online-write") as pool:
            chunks = _chunks(writes, KEYS_A_READ)
            while going or in_progress:
                chunk = next(chunks, None) if going else None
                if chunk is None:
                    going = False
                else:
                    in_progress.append((chunk, pool.submit(self._write, version, chunk)))
                # A few more than there are workers, so that none waits, and no more: they hold their rows.
                while in_progress and (not going or len(in_progress) > self._workers + 4):
                    done, future = in_progress.popleft()
                    changed += future.result()
                    if written is not None and not written(done[-1], len(done)):
                        going = False
        return changed

    def _write(self, version: str, writes: Sequence[OnlineWrite]) -> int:
        attribute = attribute_of(version)
        pending, tried = {write.key: write for write in writes}, set[str]()
        changed = 0
        for attempt in tries(ATTEMPTS, self._pause, longest=LONGEST_PAUSE):
            items = {
                item["pk"]["S"]: item
                for item in self._get(list(pending), (attribute, "expires"), consistent=attempt > 0)
            }
            due: list[tuple[OnlineWrite, dict[str, Any]]] = []
            for key, write in pending.items():
                item = items.get(key)
                there = b64decode(item[attribute]["B"]) if item and attribute in item else b""
                if there < write.value:
                    due.append((write, _statement(self.table, attribute, write, item)))
                elif there == write.value and key in tried:
                    # Ours: its answer was lost.
                    changed += 1
            outcomes = [
                outcome
                for batch in _chunks(due, STATEMENTS_A_WRITE)
                for outcome in zip(batch, self._execute(batch), strict=True)
            ]
            changed += sum(done for _, done in outcomes)
            pending = {write.key: write for (write, _), done in outcomes if not done}
            tried.update(pending)
            if not pending:
                return changed
        raise OnlineStoreBusy(
            f"online store {self.table}: {len(pending)} of {len(writes)} items still not written after {ATTEMPTS} "
            "attempts, throttled or written by others at that moment; run it again"
        )

    def _execute(self, batch: Sequence[tuple[OnlineWrite, dict[str, Any]]]) -> list[bool]:
        """For each write whether it was done; an unfinished write may be tried again."""
        answer = self._call("BatchExecuteStatement", {"Statements": [statement for _, statement in batch]})
        outcomes = []
        for (write, _), response in zip(batch, answer["Responses"], strict=True):
            error = response.get("Error")
            code, message = (error.get("Code", ""), error.get("Message", "")) if error else ("", "")
            if "size" in message.lower() and code == "ValidationError":
                raise ItemTooLarge(write.key, len(write.value), message)
            if error and code not in _LOST and code not in _PASSING:
                raise ClientError({"Error": {"Code": code, "Message": message}}, "BatchExecuteStatement")
            outcomes.append(not error)
        return outcomes

    def _call(self, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return self._dynamodb.call(operation, payload)
        except ClientError as error:
            if error_code(error) in THROTTLES:
                raise OnlineStoreBusy(f"online store {self.table}: throttled until all retries were spent") from error
            raise


def _statement(table: str, attribute: str, write: OnlineWrite, item: Mapping[str, Any] | None) -> dict[str, Any]:
    """The conditional write, given the item as just read; None if the item doesn't exist.

    ``expires`` only ever grows. If our ``expires`` is later than the item's, the write moves it, on condition that the
    item's is still no later; otherwise the item's must still be late enough. An item that DynamoDB deleted meanwhile
    has no ``expires`` and fails both conditions.
    """
    key, value = {"S": write.key}, {"B": b64encode(write.value).decode()}
    expires = {"N": str(write.expires)}
    if item is None:
        return {
            "Statement": f"INSERT INTO \"{table}\" VALUE {{'pk': ?, '{attribute}': ?, 'expires': ?}}",
            "Parameters": [key, value, expires],
        }
    parameters = [value, key, expires]
    later = int(item["expires"]["N"]) < write.expires
    moved, limit = (' SET "expires" = ?', "<=") if later else ("", ">=")
    if later:
        parameters.insert(1, expires)
    older = f'"{attribute}" IS MISSING'
    if attribute in item:
        older = f'"{attribute}" < ?'
        parameters.append(value)
    return {
        "Statement": f'UPDATE "{table}" SET "{attribute}" = ?{moved} '  # noqa: S608 - names are ours, values parameters
        f'WHERE "pk" = ? AND "expires" {limit} ? AND {older}',
        "Parameters": parameters,
    }


def _chunks(values: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(values)
    while chunk := list(islice(iterator, size)):
        yield chunk
