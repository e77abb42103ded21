"""Requests that DynamoDB refuses and moto takes: what passes here must pass there.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html and the messages that AWS sends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from werkzeug.wrappers import Response

from localcloud.api_call import ApiCall

_BATCH_WRITES = 25
_DIGITS = 38
_EXPRESSIONS = re.compile(r"(Update|Condition|KeyCondition|Filter|Projection)Expression")


def answer(call: ApiCall) -> Response | None:
    """The refusal, or None to let moto answer."""
    if call.service != "dynamodb" or not call.operation:
        return None
    body = call.json()
    problem = _too_many_writes(call.operation, body) or _numbers(body)
    for part in _with_expressions(body):
        problem = problem or _unused(part)
    return _validation_exception(problem) if problem else None


def _too_many_writes(operation: str, body: Mapping[str, Any]) -> str:
    requests = body.get("RequestItems") if operation == "BatchWriteItem" else None
    if requests and sum(map(len, requests.values())) > _BATCH_WRITES:
        return "Too many items requested for the BatchWriteItem call"
    return ""


def _numbers(body: Any) -> str:
    for text in _number_texts(body):
        try:
            digits = "".join(map(str, Decimal(text).as_tuple().digits)).strip("0")
        except InvalidOperation:
            continue  # moto refuses it
        if len(digits) > _DIGITS:
            return f"Attempting to store more than {_DIGITS} significant digits in a Number"
    return ""


def _number_texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if len(value) == 1 and isinstance(value.get("N"), str):
            yield value["N"]
        elif len(value) == 1 and isinstance(value.get("NS"), list):
            yield from map(str, value["NS"])
        else:
            for one in value.values():
                yield from _number_texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _number_texts(one)


def _with_expressions(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The request, or the parts of a transaction: whatever carries expressions of its own."""
    if "TransactItems" in body:
        for item in body["TransactItems"]:
            yield from item.values()
    elif not _is_legacy(body):
        yield body


def _is_legacy(body: Mapping[str, Any]) -> bool:
    return "Statement" in body or "RequestItems" in body


def _unused(part: Mapping[str, Any]) -> str:
    used = " ".join(str(value) for name, value in part.items() if _EXPRESSIONS.fullmatch(name))
    for field in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
        unused = [key for key in part.get(field) or () if not re.search(rf"{re.escape(key)}(?!\w)", used)]
        if unused:
            return f"Value provided in {field} unused in expressions: keys: {{{', '.join(sorted(unused))}}}"
    return ""


def _validation_exception(message: str) -> Response:
    body = {"__type": "com.amazon.coral.validate#ValidationException", "message": message}
    return Response(json.dumps(body), 400, content_type="application/x-amz-json-1.0")
