"""HTTP answers of the API's functions."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger

from headwater.errors import HeadwaterError

Answer = dict[str, Any]
"""A function's answer that API Gateway turns into an HTTP response (payload 2.0)."""
_JSON = "application/json"
_TAG = 32
"""Letters of an ETag that are of the body."""


def answer(
    call: Callable[[], Mapping[str, Any]], logger: Logger, request_id: str, status: int = HTTPStatus.OK
) -> Answer:
    """A success with the body that ``call`` gives, or its error as `guarded` tells it."""
    return guarded(lambda: of_text(status, dumped(call())), logger, request_id)


def guarded(call: Callable[[], Answer], logger: Logger, request_id: str) -> Answer:
    """The answer of ``call``, or its error: in full if the caller can do something about it."""
    try:
        return call()
    except HeadwaterError as error:
        if error.http_status < HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.info(error.message, extra={"reason": error.reason})
            return refusal(error.http_status, error.reason, error.message, request_id)
        logger.error(error.message, exc_info=error)
    except Exception as error:
        # Nothing of an unexpected error leaves the house; its stack goes to the log.
        logger.error("unexpected error", exc_info=error)
    return failure(request_id)


def failure(request_id: str) -> Answer:
    """The words for an unexpected error: they tell nothing of it."""
    said = "the request failed; the function's log says why"
    return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", said, request_id)


def refusal(status: int, reason: str, message: str, request_id: str) -> Answer:
    """An error that the caller is told."""
    return of_text(status, dumped({"reason": reason, "message": message, "request_id": request_id}))


def of_text(status: int, body: str, kind: str = _JSON, **headers: str) -> Answer:
    """An answer with such a body; names of further headers have hyphens for underscores."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return {
        "statusCode": int(status),
        "headers": {"Content-Type": kind, **more},
        "body": body,
        "isBase64Encoded": False,
    }


def tag_of(fingerprint: str, until: datetime | None, body: str) -> str:
    """An ETag that says what an answer follows from, until when, and what it is."""
    ends = "" if until is None else str(int(until.timestamp()))
    return f'"{fingerprint}.{ends}.{hashlib.sha256(body.encode()).hexdigest()[:_TAG]}"'


def still_true(asked: str, fingerprint: str, now: datetime) -> str | None:
    """The one of the request's tags (its header If-None-Match) whose answer needn't be computed again; None without.

    ``fingerprint`` says what an answer of now would follow from.
    """
    for tag in _tags(asked):
        said, _, rest = tag.strip('"').partition(".")
        ends = rest.partition(".")[0]
        if (
            said == fingerprint
            and rest.count(".") == 1
            and (not ends or (ends.isdecimal() and now.timestamp() < int(ends)))
        ):
            return tag
    return None


def unchanged(tag: str) -> Answer:
    """The answer to who has it already: no body."""
    return {"statusCode": int(HTTPStatus.NOT_MODIFIED), "headers": _tag_headers(tag), "body": "",
            "isBase64Encoded": False}  # fmt: skip


def tagged(body: str, tag: str, asked: str) -> Answer:
    """A success with its ETag, or 304 without a body if the caller has it already (RFC 9110, 13.1.2).

    Parameters
    ----------
    body : str
    tag : str
        As `tag_of` makes it. A tag that ends as this one is of the same body, whatever it followed from.
    asked : str
        The request's header If-None-Match.
    """
    known, digest = _tags(asked), tag.rpartition(".")[2]
    if known == ["*"] or any(word.rpartition(".")[2] == digest for word in known):
        return unchanged(tag)
    found = of_text(HTTPStatus.OK, body)
    return {**found, "headers": {**found["headers"], **_tag_headers(tag)}}


def _tags(asked: str) -> list[str]:
    # A proxy that compressed the body makes a weak tag of it.
    return [word.strip().removeprefix("W/") for word in asked.split(",")]


def _tag_headers(tag: str) -> dict[str, str]:
    return {"ETag": tag, "Cache-Control": "private, no-cache"}


def body_of(event: Mapping[str, Any], refused: Callable[[str], HeadwaterError]) -> bytes:
    """The bytes of a request's body; ``refused`` makes the error of one that isn't base64 although it says so."""
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return str(body).encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(body)
    except ValueError as error:
        raise refused(f"the body is not base64: {error}") from error


def dumped(body: Mapping[str, Any]) -> str:
    """A body as JSON."""
    return json.dumps(body, ensure_ascii=False)
