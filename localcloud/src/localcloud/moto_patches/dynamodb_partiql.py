"""Writes in PartiQL with conditions: BatchExecuteStatement of INSERT and UPDATE, with ``?`` for every value.

Moto's parser knows neither parameters of an INSERT nor conditions other than equality, reads the whole table for each
statement and succeeds where a condition fails. Statements of another form are still moto's. By
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.update.html, ql-reference.insert.html and
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchStatementError.html.
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from moto.dynamodb.exceptions import MockValidationException
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table

from localcloud.moto_patches.patches import Patches

Value = Mapping[str, Any]
_STATEMENTS = 25
_INSERT = re.compile(r"\s*INSERT\s+INTO\s+\"?(?P<table>[\w.-]+)\"?\s+VALUE\s*\{(?P<item>[^{}]*)\}\s*", re.IGNORECASE)
_FIELD = re.compile(r"\s*'(?P<name>[^']+)'\s*:\s*\?\s*")
_UPDATE = re.compile(
    r"\s*UPDATE\s+\"?(?P<table>[\w.-]+)\"?(?P<sets>(?:\s+SET\s+\"?\w+\"?\s*=\s*\?)+)\s+WHERE\s+(?P<where>.+?)\s*",
    re.IGNORECASE | re.DOTALL,
)
_SET = re.compile(r"\s+SET\s+\"?(\w+)\"?\s*=\s*\?", re.IGNORECASE)
_CONDITION = re.compile(
    r"\"?(?P<name>\w+)\"?\s*(?:(?P<operator><=|>=|<>|=|<|>)\s*\?|IS\s+(?P<not>NOT\s+)?MISSING)", re.IGNORECASE
)
_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {"=": eq, "<>": ne, "<": lt, "<=": le, ">": gt, ">=": ge}


@dataclass(frozen=True)
class Condition:
    """One part of a WHERE clause."""

    name: str
    operator: str
    """``=`` and the like, ``MISSING`` or ``NOT MISSING``."""
    value: Value | None = None

    def holds(self, item: Mapping[str, Value]) -> bool:
        """Whether an item fulfils it; values of different types never compare."""
        if self.operator in ("MISSING", "NOT MISSING"):
            return (self.name not in item) == (self.operator == "MISSING")
        there = item.get(self.name)
        if there is None or self.value is None or there.keys() != self.value.keys():
            return False
        return bool(_COMPARE[self.operator](_comparable(there), _comparable(self.value)))


@dataclass(frozen=True)
class Write:
    """A statement that was understood."""

    action: str
    """``PartiQLInsert`` or ``PartiQLUpdate``, as IAM calls it."""
    table: str
    values: Mapping[str, Value]
    """What is set."""
    conditions: Sequence[Condition] = ()

    def key(self, names: Sequence[str]) -> dict[str, Value]:
        """The values of the key's attributes; of an update, those that its WHERE clause asks for."""
        asked = {part.name: part.value for part in self.conditions if part.operator == "=" and part.value}
        there = self.values if self.action == "PartiQLInsert" else asked
        return {name: there[name] for name in names if name in there}


def understand(statement: str, parameters: Sequence[Value]) -> Write | None:
    """A statement of one of the two forms; None for any other, or if the parameters don't fit."""
    values = list(parameters)
    if found := _INSERT.fullmatch(statement):
        fields = [_FIELD.fullmatch(part) for part in found["item"].split(",")]
        names = [field["name"] for field in fields if field]
        if len(names) != len(fields) or len(names) != len(values):
            return None
        return Write("PartiQLInsert", found["table"], dict(zip(names, values, strict=True)))
    if not (found := _UPDATE.fullmatch(statement)):
        return None
    sets = _SET.findall(found["sets"])
    parts = [_CONDITION.fullmatch(part.strip()) for part in re.split(r"\s+AND\s+", found["where"], flags=re.IGNORECASE)]
    if not all(parts) or len(values) != len(sets) + sum(bool(part and part["operator"]) for part in parts):
        return None
    changed = dict(zip(sets, values, strict=False))
    rest = iter(values[len(sets) :])
    conditions = [
        Condition(part["name"], part["operator"], next(rest))
        if part["operator"]
        else Condition(part["name"], "NOT MISSING" if part["not"] else "MISSING")
        for part in parts
        if part
    ]
    return Write("PartiQLUpdate", found["table"], changed, conditions)


def apply(patches: Patches) -> None:
    """Let moto do such writes."""
    execute = DynamoDBBackend.batch_execute_statement
    # A condition and its write are one: no other batch comes between.
    lock = threading.Lock()

    def batch_execute_statement(self: DynamoDBBackend, statements: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if len(statements) > _STATEMENTS:
            raise MockValidationException(
                f"1 validation error detected: Value at 'statements' failed to satisfy constraint: Member must have "
                f"length less than or equal to {_STATEMENTS}"
            )
        writes = [understand(entry["Statement"], entry.get("Parameters", [])) for entry in statements]
        if None in writes:
            return execute(self, statements)
        with lock:
            return [_apply(self, write) for write in writes if write]

    patches.set(DynamoDBBackend, "batch_execute_statement", batch_execute_statement)


def _apply(backend: DynamoDBBackend, write: Write) -> dict[str, Any]:
    table = backend.tables.get(write.table)
    if table is None:
        return _error("ResourceNotFound", "Requested resource not found")
    names = [name for name in (table.hash_key_attr, table.range_key_attr) if name]
    key = write.key(names)
    if len(key) != len(names):
        return _error("ValidationError", "Where clause does not contain a mandatory equality on all key attributes")
    partition, *sort = (DynamoType(dict(key[name])) for name in names)
    item = table.get_item(partition, sort[0] if sort else None)
    there: dict[str, Value] = item.to_json()["Attributes"] if item else {}
    if write.action == "PartiQLInsert":
        if there:
            return _error("DuplicateItem", "Duplicate primary key exists in table")
    elif not there or not all(condition.holds(there) for condition in write.conditions):
        return _error("ConditionalCheckFailed", "The conditional request failed")
    return _put(table, {**there, **write.values})


def _put(table: Table, item: dict[str, Value]) -> dict[str, Any]:
    try:
        table.put_item(item, overwrite=True)
    except MockValidationException as error:
        return _error("ValidationError", str(error.message))
    return {"TableName": table.name}


def _error(code: str, message: str) -> dict[str, Any]:
    return {"Error": {"Code": code, "Message": message}}


def _comparable(value: Value) -> Any:
    ((kind, content),) = value.items()
    if kind == "B":
        # Byte by byte, unsigned. Moto holds what was read before as it is, and what was only written as it came.
        return content if isinstance(content, bytes) else base64.b64decode(content)
    return Decimal(content) if kind == "N" else content
