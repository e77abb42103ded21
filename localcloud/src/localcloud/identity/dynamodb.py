"""What a DynamoDB call needs: its tables, its indexes, and the partition keys that it touches.

``dynamodb:LeadingKeys`` is how a grant is limited to some items, so it must be read from every kind of call:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from moto.dynamodb.models import dynamodb_backends

from localcloud.identity.policy import CannotJudge
from localcloud.identity.types import Place, RequiredAction
from localcloud.moto_patches.dynamodb_partiql import understand

# The parts of a transaction and the action that each of them needs; TransactWriteItems itself is no action.
_PARTS = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
_ON_ITEMS = {"GetItem", "PutItem", "UpdateItem", "DeleteItem"}
_ON_TABLES = {"DescribeTable", "DescribeTimeToLive", "DescribeContinuousBackups", "Scan"}


def required_actions(place: Place, operation: str, arguments: Mapping[str, Any]) -> Sequence[RequiredAction]:
    """The actions that one call requires."""
    if operation in ("TransactWriteItems", "TransactGetItems"):
        parts = [(kind, part) for item in arguments["TransactItems"] for kind, part in item.items()]
        return [
            _need(place, _PARTS.get(kind, "GetItem"), part["TableName"], [_key(place, part["TableName"], part)])
            for kind, part in parts
        ]
    if operation == "BatchGetItem":
        return [
            _need(place, operation, table, [_key(place, table, {"Key": key}) for key in request["Keys"]])
            for table, request in arguments["RequestItems"].items()
        ]
    if operation == "BatchWriteItem":
        return [
            _need(place, operation, table, [_key(place, table, part) for one in requests for part in one.values()])
            for table, requests in arguments["RequestItems"].items()
        ]
    if operation == "BatchExecuteStatement":
        return [_stated(place, entry) for entry in arguments["Statements"]]
    if operation in _ON_ITEMS:
        return [_need(place, operation, arguments["TableName"], [_key(place, arguments["TableName"], arguments)])]
    if operation == "Query":
        return [_need(place, operation, arguments["TableName"], _queried(place, arguments), arguments.get("IndexName"))]
    if operation in _ON_TABLES:
        return [_need(place, operation, arguments["TableName"], None, arguments.get("IndexName"))]
    raise CannotJudge(f"dynamodb:{operation}")


def _need(
    place: Place, operation: str, table: str, keys: Iterable[str | None] | None, index: str | None = None
) -> RequiredAction:
    arn = table if table.startswith("arn:") else f"arn:aws:dynamodb:{place.region}:{place.account}:table/{table}"
    known = [key for key in keys or () if key is not None]
    context = {"dynamodb:leadingkeys": known} if known else {}
    return RequiredAction(f"dynamodb:{operation}", f"{arn}/index/{index}" if index else arn, context)


def _stated(place: Place, entry: Mapping[str, Any]) -> RequiredAction:
    """What a statement in PartiQL needs: an action of its own for each verb."""
    write = understand(entry["Statement"], entry.get("Parameters") or ())
    if write is None:
        raise CannotJudge(f"dynamodb:BatchExecuteStatement of {entry['Statement']}")
    name = _partition_key(place, write.table)
    return _need(place, write.action, write.table, [_text(write.key([name] if name else []).get(name or ""))])


def _partition_key(place: Place, table: str, index: str | None = None) -> str | None:
    """The name of the attribute that partitions the table or its index; None if there is no such table."""
    name = table.rpartition("/")[2]
    found = dynamodb_backends[place.account][place.region].tables.get(name)
    if found is None:
        return None
    schema = found.schema
    for one in [*found.indexes, *found.global_indexes]:
        if one.name == index:
            schema = one.schema
    return next((str(part["AttributeName"]) for part in schema if part["KeyType"] == "HASH"), None)


def _key(place: Place, table: str, part: Mapping[str, Any]) -> str | None:
    attributes = part.get("Key") or part.get("Item") or {}
    return _text(attributes.get(_partition_key(place, table)))


def _queried(place: Place, arguments: Mapping[str, Any]) -> list[str | None]:
    """The one partition that a Query reads: ``pk = :value`` in its key condition."""
    name = _partition_key(place, arguments["TableName"], arguments.get("IndexName"))
    aliases = [alias for alias, real in (arguments.get("ExpressionAttributeNames") or {}).items() if real == name]
    values = arguments.get("ExpressionAttributeValues") or {}
    for attribute in (name, *aliases):
        pattern = rf"(?<![\w#]){re.escape(str(attribute))}\s*=\s*(:\w+)"
        if match := re.search(pattern, arguments.get("KeyConditionExpression", "")):
            return [_text(values.get(match[1]))]
    raise CannotJudge(f"dynamodb:Query of {arguments['TableName']} without a key condition on {name}")


def _text(value: Any) -> str | None:
    return str(next(iter(value.values()))) if isinstance(value, dict) and value else None
