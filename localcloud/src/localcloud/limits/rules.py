"""Limits that no model writes down, each with the error that AWS answers and the page that documents it."""

from __future__ import annotations

import base64
import binascii
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from localcloud.api_call import ApiCall
from localcloud.events import pattern
from localcloud.limits.shapes import refusal_text


class Broken(NamedTuple):
    """A limit that a request breaks."""

    code: str
    message: str
    status: int = 400


# https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html
_STANDARD_CHARACTERS, _ADVANCED_CHARACTERS = 4096, 8192
# https://aws.amazon.com/blogs/compute/more-room-to-build-serverless-services-now-support-payloads-up-to-1-mb
_EVENTS_BYTES = 1_048_576
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_ENVIRONMENT_BYTES = 4096
_DEPLOYMENT_REQUEST_BYTES = 70_167_211  # 50 MB as base64
_NAME_CHARACTERS, _TIMEOUT_SECONDS, _MEMORY_MB = 64, 900, 10_240
_UNZIPPED_BYTES = 262_144_000
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
_KEY_BYTES = 1024
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
_METRICS = 1000
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
_TRANSACTION_BYTES = 4 * 1024 * 1024

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
_LOG_BYTES, _EVENT_BYTES = 1_048_576, 26

Parameters = Mapping[str, Any]
Rule = Callable[[Parameters], Broken | None]


def object_key(call: ApiCall) -> Broken | None:
    """The length of a key of S3."""
    key = call.request.path.lstrip("/").partition("/")[2]
    if call.service == "s3" and len(key.encode()) > _KEY_BYTES:
        return Broken("KeyTooLongError", "Your key is too long")
    return None


def _parameter(given: Parameters) -> Broken | None:
    length, tier = len(str(given.get("Value", ""))), given.get("Tier", "Standard")
    if tier == "Standard" and length > _STANDARD_CHARACTERS:
        return Broken(
            "ValidationException",
            f"Standard tier parameters support a maximum parameter value of {_STANDARD_CHARACTERS} characters. To "
            "create a larger parameter value, upgrade the parameter to use the advanced-parameter tier. For more "
            "information, see https://docs.aws.amazon.com/systems-manager/latest/userguide/"
            "parameter-store-advanced-parameters.html",
        )
    if length > _ADVANCED_CHARACTERS:
        message = f"Advanced tier parameters support a maximum parameter value of {_ADVANCED_CHARACTERS} characters."
        return Broken("ValidationException", message)
    return None


def _events(given: Parameters) -> Broken | None:
    if sum(map(event_bytes, given.get("Entries") or ())) <= _EVENTS_BYTES:
        return None
    return Broken("ValidationException", "Total size of the entries in the request is over the limit.")


def event_bytes(entry: Parameters) -> int:
    """What an entry of PutEvents counts for.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html
    """
    texts = [entry.get(name) or "" for name in ("Source", "DetailType", "Detail")]
    size = sum(len(str(text).encode()) for text in (*texts, *(entry.get("Resources") or ())))
    return size + (14 if entry.get("Time") is not None else 0)


def _environment(given: Parameters) -> Broken | None:
    variables = (given.get("Environment") or {}).get("Variables") or {}
    measured = json.dumps(variables, separators=(",", ":"), ensure_ascii=False)
    if len(measured.encode()) <= _ENVIRONMENT_BYTES:
        return None
    return Broken(
        "InvalidParameterValueException",
        "Lambda was unable to configure your environment variables because the environment variables you have provided "
        f"exceeded the 4KB limit. String measured: {measured}",
    )


def _function(given: Parameters) -> Broken | None:
    return _size(given) or _environment(given) or _code(given.get("Code") or {})


def _configuration(given: Parameters) -> Broken | None:
    return _size(given) or _environment(given)


def _size(given: Parameters) -> Broken | None:
    """What the model allows to be larger than the service does."""
    name = str(given.get("FunctionName") or "")
    found = []
    if not name.startswith("arn:") and len(name.rpartition(":")[2]) > _NAME_CHARACTERS:
        rule = f"Member must have length less than or equal to {_NAME_CHARACTERS}"
        found.append(f"Value '{name}' at 'functionName' failed to satisfy constraint: {rule}")
    for field, most in (("Timeout", _TIMEOUT_SECONDS), ("MemorySize", _MEMORY_MB)):
        if isinstance(value := given.get(field), int) and value > most:
            rule = f"Member must have value less than or equal to {most}"
            shown = field[0].lower() + field[1:]
            found.append(f"Value '{value}' at '{shown}' failed to satisfy constraint: {rule}")
    return Broken("ValidationException", refusal_text(found)) if found else None


def _code(given: Parameters) -> Broken | None:
    encoded = given.get("ZipFile") or ""
    if len(encoded) > _DEPLOYMENT_REQUEST_BYTES:
        return Broken(
            "RequestEntityTooLargeException",
            f"Request must be smaller than {_DEPLOYMENT_REQUEST_BYTES} bytes for the CreateFunction operation",
            413,
        )
    try:
        return unzipped(base64.b64decode(encoded)) if encoded else None
    except binascii.Error:
        return None  # moto says what it makes of it


def unzipped(content: bytes) -> Broken | None:
    """The size of a function's files, by what the archive says of them."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except zipfile.BadZipFile:
        return None
    if size <= _UNZIPPED_BYTES:
        return None
    message = f"Unzipped size must be smaller than {_UNZIPPED_BYTES} bytes"
    return Broken("InvalidParameterValueException", message)


def _log_events(given: Parameters) -> Broken | None:
    sizes = [len(str(event.get("message", "")).encode()) + _EVENT_BYTES for event in given.get("logEvents") or ()]
    if sizes and max(sizes) > _LOG_BYTES:
        message = f"Log event too large: {max(sizes)} bytes exceeds limit of {_LOG_BYTES}"
        return Broken("InvalidParameterException", message)
    if sum(sizes) > _LOG_BYTES:
        message = f"Upload too large: {sum(sizes)} bytes exceeds limit of {_LOG_BYTES}"
        return Broken("InvalidParameterException", message)
    return None


def _metrics(given: Parameters) -> Broken | None:
    if len(given.get("MetricData") or ()) <= _METRICS:
        return None
    message = f"The collection MetricData must not have a size greater than {_METRICS}."
    return Broken("InvalidParameterValue", message)


def _transaction(given: Parameters) -> Broken | None:
    items = [part.get("Item") for item in given.get("TransactItems") or () for part in item.values()]
    if sum(_item_bytes(item) for item in items if item) <= _TRANSACTION_BYTES:
        return None
    return Broken("ValidationException", "Collection size of the items in the transaction exceeds 4 MB")


def _item_bytes(value: Any) -> int:
    """About what DynamoDB counts: names and values, as UTF-8."""
    if isinstance(value, Mapping):
        return sum(len(str(name).encode()) + _item_bytes(one) for name, one in value.items())
    return sum(map(_item_bytes, value)) if isinstance(value, list) else len(str(value).encode())


def _filters(given: Parameters) -> Broken | None:
    """A mapping's filters: https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html."""
    for each in (given.get("FilterCriteria") or {}).get("Filters") or ():
        try:
            pattern.check(each["Pattern"])
        except (KeyError, TypeError, pattern.PatternInvalid):
            return Broken("InvalidParameterValueException", "Invalid filter pattern definition.")
    return None


RULES: dict[tuple[str, str], Rule] = {
    ("ssm", "PutParameter"): _parameter,
    ("events", "PutEvents"): _events,
    ("lambda", "CreateEventSourceMapping"): _filters,
    ("lambda", "CreateFunction"): _function,
    ("lambda", "UpdateEventSourceMapping"): _filters,
    ("lambda", "UpdateFunctionConfiguration"): _configuration,
    ("lambda", "UpdateFunctionCode"): _code,
    ("logs", "PutLogEvents"): _log_events,
    ("monitoring", "PutMetricData"): _metrics,
    ("dynamodb", "TransactWriteItems"): _transaction,
}
