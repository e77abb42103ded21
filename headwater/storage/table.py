"""A DynamoDB table of items with the keys ``pk`` and ``sk``: reads, and writes with conditions."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from botocore.exceptions import ClientError, HTTPClientError
from pydantic import BaseModel

from headwater.storage.clients import Clients, error_code
from headwater.storage.http.connection import connection
from headwater.storage.retries import tries

V = TypeVar("V", bound=BaseModel)

Scalar = str | int | None
Item = Mapping[str, Scalar]

ABSENT = "attribute_not_exists(pk)"
"""Holds if there is no such item."""

_CONTENTION = {"TransactionConflictException", "TransactionInProgressException", "ThrottlingException",
               "ProvisionedThroughputExceededException", "RequestLimitExceeded"}  # fmt: skip


_BATCH, _BATCH_TRIES = 25, 10
"""Items that BatchWriteItem takes, and calls for what it leaves over."""


class WriteRefused(Exception):
    """A transaction wasn't acknowledged: a condition failed, others wrote the same items, or the answer was lost."""


class Table:
    """One DynamoDB table, keyed ``pk``, ``sk``. Items hold text, whole numbers and nothing else.

    Parameters
    ----------
    table : str
        The table's name.
    clients : Clients
    pause : callable
        Called with seconds before what a batch left over is written again.
    """

    def __init__(self, table: str, clients: Clients, *, pause: Callable[[float], None] = time.sleep) -> None:
        self.table, self._pause = table, pause
        self._dynamodb, self._wire = clients("dynamodb"), connection("dynamodb", clients)

    def get(self, pk: str, sk: str) -> dict[str, Any] | None:
        """The item as the last acknowledged write left it; None if there is none."""
        answer = self._dynamodb.get_item(TableName=self.table, Key=_marshal({"pk": pk, "sk": sk}), ConsistentRead=True)
        return _unmarshal(answer["Item"]) if "Item" in answer else None

    def query(self, pk: str, prefix: str, *, after: str = "", page_size: int = 1000) -> Iterator[dict[str, Any]]:
        """The items under ``pk`` whose ``sk`` starts with ``prefix`` and is greater than ``after``, in the order of
        ``sk``."""
        if after < prefix:
            return self._query("begins_with(sk, :prefix)", {":pk": pk, ":prefix": prefix}, page_size=page_size)
        # Strings compare by their bytes in UTF-8: nothing is between a text and the same with a NUL behind it.
        between = {":pk": pk, ":first": f"{after}\0", ":last": f"{prefix}\U0010ffff"}
        return self._query("sk BETWEEN :first AND :last", between, page_size=page_size)

    def document(self, pk: str, sk: str, kind: type[V]) -> V | None:
        """The value that an item keeps as JSON, its ``document``; None if there is no item."""
        item = self.get(pk, sk)
        return kind.model_validate_json(item["document"]) if item else None

    def documents(self, pk: str, prefix: str, kind: type[V], *, after: str = "") -> Iterator[V]:
        """The values of the items that `query` finds."""
        return (kind.model_validate_json(item["document"]) for item in self.query(pk, prefix, after=after))

    def last_documents(self, pk: str, prefix: str, kind: type[V], number: int) -> list[V]:
        """The values of the last ``number`` items whose ``sk`` starts with ``prefix``, from the last on."""
        found = islice(self.newest_first(pk, prefix, page_size=min(number, 1000)), number)
        return [kind.model_validate_json(item["document"]) for item in found]

    def newest(self, pk: str, prefix: str) -> dict[str, Any] | None:
        """The last of those items; None if there is none."""
        values = {":pk": pk, ":prefix": prefix}
        return next(self._query("begins_with(sk, :prefix)", values, newest_first=True, page_size=1), None)

    def newest_first(self, pk: str, prefix: str, *, page_size: int = 1000) -> Iterator[dict[str, Any]]:
        """The items under ``pk`` whose ``sk`` starts with ``prefix``, from the last to the first."""
        values = {":pk": pk, ":prefix": prefix}
        return self._query("begins_with(sk, :prefix)", values, newest_first=True, page_size=page_size)

    def _query(
        self, condition: str, values: Mapping[str, str], *, newest_first: bool = False, page_size: int
    ) -> Iterator[dict[str, Any]]:
        asked: dict[str, Any] = {
            "TableName": self.table,
            "KeyConditionExpression": f"pk = :pk AND {condition}",
            "ExpressionAttributeValues": _marshal(values),
            "ScanIndexForward": not newest_first,
            "ConsistentRead": True,
            "Limit": page_size,
        }
        while True:
            # Not botocore's client, which takes four times as long over a page.
            page = self._wire.call("Query", asked)
            yield from map(_unmarshal, page["Items"])
            if (last := page.get("LastEvaluatedKey")) is None:
                return
            asked["ExclusiveStartKey"] = last

    def transact(self, writes: Sequence[Mapping[str, Any]]) -> None:
        """Apply all ``writes`` (see `put`, `delete`, `check`) or none.

        Raises
        ------
        WriteRefused
            Not acknowledged. Whether it, or an earlier try of it, was applied after all (its answer may have been
            lost) is for the caller to find out.
        """
        try:
            self._dynamodb.transact_write_items(TransactItems=list(writes))
        except HTTPClientError as error:
            # The answer was lost on its way: whether the write was applied is unknown.
            raise WriteRefused(str(error)) from error
        except ClientError as error:
            unknown = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500
            if error_code(error) == "TransactionCanceledException" or error_code(error) in _CONTENTION or unknown:
                raise WriteRefused(str(error)) from error
            raise

    def applied(self, writes: Sequence[Mapping[str, Any]]) -> bool:
        """Whether `transact` was acknowledged; False: read again."""
        try:
            self.transact(writes)
        except WriteRefused:
            return False
        return True

    def put_all(self, items: Iterable[Item]) -> None:
        """Write items, each of which replaces the one with its key, by the batch: none may depend on another.

        Raises
        ------
        WriteRefused
            DynamoDB throttled until all tries were spent. Some items are written; writing all again is safe.
        """
        self._batches({"PutRequest": {"Item": _marshal(item)}} for item in _last_of_each_key(items))

    def delete_all(self, keys: Iterable[tuple[str, str]]) -> None:
        """Delete items by ``pk`` and ``sk``, by the batch; a missing item is no error. Raises `WriteRefused`."""
        self._batches({"DeleteRequest": {"Key": _marshal({"pk": pk, "sk": sk})}} for pk, sk in keys)

    def _batches(self, requests: Iterable[dict[str, Any]]) -> None:
        waiting = iter(requests)
        while batch := list(islice(waiting, _BATCH)):
            for _ in tries(_BATCH_TRIES, self._pause):
                answer = self._wire.call("BatchWriteItem", {"RequestItems": {self.table: batch}})
                if not (batch := answer.get("UnprocessedItems", {}).get(self.table, [])):
                    break
            else:
                raise WriteRefused(f"table {self.table}: {len(batch)} items stayed unprocessed, it is throttled")

    def write(self, put: Mapping[str, Any]) -> bool:
        """Apply one `put` by itself; False if its condition doesn't hold.

        False also follows a write whose answer was lost: the item is then this very one.
        """
        try:
            self._dynamodb.put_item(**put["Put"])
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def put(self, item: Item, *, only_if: str = "", **values: Scalar) -> dict[str, Any]:
        """A write that replaces the item if ``only_if`` holds; ``values`` are its ``:placeholders``."""
        return {"Put": {"TableName": self.table, "Item": _marshal(item), **_condition(only_if, values)}}

    def put_over(self, item: Item, field: str, before: Scalar) -> dict[str, Any]:
        """A write that replaces the item if its ``field`` still is ``before``; None: a new one, if there is none."""
        if before is None:
            return self.put(item, only_if=ABSENT)
        return self.put(item, only_if=f"#{field} = :before", before=before)

    def delete(self, pk: str, sk: str, *, only_if: str, **values: Scalar) -> dict[str, Any]:
        """A write that removes the item if ``only_if`` holds."""
        key = _marshal({"pk": pk, "sk": sk})
        return {"Delete": {"TableName": self.table, "Key": key, **_condition(only_if, values)}}

    def check(self, pk: str, sk: str, *, only_if: str, **values: Scalar) -> dict[str, Any]:
        """No write, but the transaction fails unless ``only_if`` holds of the item."""
        key = _marshal({"pk": pk, "sk": sk})
        return {"ConditionCheck": {"TableName": self.table, "Key": key, **_condition(only_if, values)}}


def _last_of_each_key(items: Iterable[Item]) -> Iterable[Item]:
    # DynamoDB refuses a batch that has one key twice.
    return {(item["pk"], item["sk"]): item for item in items}.values()


def _condition(expression: str, values: Mapping[str, Scalar]) -> dict[str, Any]:
    if not expression:
        return {}
    # `status`, `to` and others are reserved words of DynamoDB: every `#name` in an expression stands for itself.
    names = {f"#{name}": name for name in re.findall(r"#(\w+)", expression)}
    condition: dict[str, Any] = {"ConditionExpression": expression}
    if names:
        condition["ExpressionAttributeNames"] = names
    if values:
        condition["ExpressionAttributeValues"] = _marshal({f":{name}": value for name, value in values.items()})
    return condition


def _marshal(item: Mapping[str, Scalar]) -> dict[str, dict[str, Any]]:
    marshalled: dict[str, dict[str, Any]] = {}
    for name, value in item.items():
        if value is None:
            marshalled[name] = {"NULL": True}
        elif isinstance(value, int):
            marshalled[name] = {"N": str(value)}
        else:
            marshalled[name] = {"S": value}
    return marshalled


def _unmarshal(item: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, typed in item.items():
        kind, value = next(iter(typed.items()))
        values[name] = None if kind == "NULL" else int(value) if kind == "N" else value
    return values
