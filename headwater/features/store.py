"""The online store: one DynamoDB item an entity and view."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from headwater.aws import client, error_code
from headwater.features.errors import OnlineStoreBusy
from headwater.features.online import OnlineItem

T = TypeVar("T")

KEYS_A_READ = 100
ATTEMPTS = 8
THROTTLES = frozenset({"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"})
# What DynamoDB's N can hold of a float: magnitudes from 1e-130 up to just below 1e126.
SMALLEST, LARGEST = 1e-130, 9.9e125

# Newer than what is there: by event time, then by available time, then by revision (corrected data), so that writes
# end in the same state in whatever order they arrive.
NEWER = (
    "attribute_not_exists(pk) OR event_time < :e OR (event_time = :e AND (available_time < :a OR "
    "(available_time = :a AND revision < :r)))"
)


@dataclass(frozen=True, slots=True)
class OnlineWrite:
    """What one entity's item is to become."""

    key: str
    item: OnlineItem
    revision: int
    """Of the data it was computed from: a correction of the same moment has a higher one."""
    expires: int
    """When DynamoDB may delete the item, in seconds since 1970."""


class OnlineStore:
    """Reads and conditional writes of online items.

    Parameters
    ----------
    table : str
        The features table's name.
    pause : callable
        Waits a number of seconds; tests hand in one that doesn't.
    workers : int
        How many writes are under way at once.
    """

    def __init__(self, table: str, *, pause: Callable[[float], None] = time.sleep, workers: int = 8) -> None:
        self.table = table
        self._pause = pause
        self._workers = workers

    def read(self, keys: Sequence[str]) -> dict[str, OnlineItem]:
        """The items that exist among ``keys``: one BatchGetItem for each hundred.

        Raises
        ------
        OnlineStoreBusy
            Keys stayed unprocessed after all retries.
        """
        return {_text(raw["pk"]): _item(raw) for raw in self._read(keys)}

    def write(self, writes: Iterable[OnlineWrite]) -> int:
        """Write the items that are newer than what the store holds; say how many changed it.

        What the store already holds is found out by reading first, for a read of a hundred costs less than a hundred
        refused writes. The condition of each write, not that read, keeps newer items safe from older ones. A write
        whose answer was lost is simply refused the second time: what is there is what was to be written.

        Raises
        ------
        OnlineStoreBusy
            DynamoDB throttled until all retries were spent. What was written stays; calling again is safe.
        """
        changed = 0
        # Taken here: which clients are in use is known to this thread, not to those of the pool.
        put = partial(self._put, client("dynamodb"))
        with ThreadPoolExecutor(self._workers, thread_name_prefix="online-write") as pool:
            for chunk in _chunks(writes, KEYS_A_READ * self._workers):
                present = {_text(raw["pk"]): _order(raw) for raw in self._read([write.key for write in chunk])}
                due = [
                    write
                    for write in chunk
                    if (write.item.event_time, write.item.available_time, write.revision) > present.get(write.key, ())
                ]
                changed += sum(pool.map(put, due))
        return changed

    def _read(self, keys: Sequence[str]) -> Iterator[dict[str, Any]]:
        for chunk in _chunks(dict.fromkeys(keys), KEYS_A_READ):
            pending = [{"pk": {"S": key}} for key in chunk]
            for attempt in range(ATTEMPTS):
                # Under throttling DynamoDB answers a part and hands the rest back, without an error.
                try:
                    answer = client("dynamodb").batch_get_item(RequestItems={self.table: {"Keys": pending}})
                except ClientError as error:
                    if error_code(error) not in THROTTLES:
                        raise
                else:
                    yield from answer["Responses"].get(self.table, [])
                    pending = answer.get("UnprocessedKeys", {}).get(self.table, {}).get("Keys", [])
                    if not pending:
                        break
                self._wait(attempt)
            else:
                raise OnlineStoreBusy(
                    f"online store {self.table}: {len(pending)} of {len(chunk)} keys still unprocessed after "
                    f"{ATTEMPTS} attempts; ask again later"
                )

    def _put(self, dynamodb: Any, write: OnlineWrite) -> bool:
        item = _raw(write)
        for attempt in range(ATTEMPTS):
            try:
                dynamodb.put_item(
                    TableName=self.table,
                    Item=item,
                    ConditionExpression=NEWER,
                    ExpressionAttributeValues={
                        ":e": item["event_time"],
                        ":a": item["available_time"],
                        ":r": item["revision"],
                    },
                )
            except ClientError as error:
                if error_code(error) == "ConditionalCheckFailedException":
                    return False
                if error_code(error) not in THROTTLES:
                    raise
                self._wait(attempt)
            else:
                return True
        raise OnlineStoreBusy(f"online store {self.table}: still throttled after {ATTEMPTS} attempts; run it again")

    def _wait(self, attempt: int) -> None:
        # Full jitter: throttled writers that wait equally long would come back all at once.
        self._pause(random.uniform(0, min(2.0, 0.02 * 2**attempt)))  # noqa: S311


def number(value: Any) -> float | None:
    """A feature's value as the online store can hold it; None for what is missing or not a finite number."""
    if value is None:
        return None
    value = float(value)
    if not math.isfinite(value) or abs(value) > LARGEST:
        return None
    return value if abs(value) >= SMALLEST else 0.0


def _raw(write: OnlineWrite) -> dict[str, Any]:
    values = {name: number(value) for name, value in write.item.values.items()}
    return {
        "pk": {"S": write.key},
        "event_time": {"N": str(write.item.event_time)},
        "available_time": {"N": str(write.item.available_time)},
        "revision": {"N": str(write.revision)},
        "expires": {"N": str(write.expires)},
        "values": {"M": {name: {"NULL": True} if v is None else {"N": repr(v)} for name, v in values.items()}},
    }


def _item(raw: Mapping[str, Any]) -> OnlineItem:
    return OnlineItem(
        event_time=int(raw["event_time"]["N"]),
        available_time=int(raw["available_time"]["N"]),
        values={name: float(value["N"]) if "N" in value else None for name, value in raw["values"]["M"].items()},
    )


def _order(raw: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(int(raw[name]["N"]) for name in ("event_time", "available_time", "revision"))


def _text(attribute: Mapping[str, str]) -> str:
    return attribute["S"]


def _chunks(values: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(values)
    while chunk := list(islice(iterator, size)):
        yield chunk
