"""HTTP answers of the API's functions."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger

from headwater.errors import HeadwaterError

Answer = dict[str, Any]
"""A function's answer that API Gateway turns into an HTTP response (payload 2.0)."""
_JSON = "application/json"
_TAG = 32
"""Letters of an ETag."""


def answer(
    call: Callable[[], Mapping[str, Any]], logger: Logger, request_id: str, status: int = HTTPStatus.OK
) -> Answer:
    """The answer of ``call``, or its error: in full if the caller can do something about it."""
    try:
        return of_text(status, _dumped(call()))
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
    return of_text(status, _dumped({"reason": reason, "message": message, "request_id": request_id}))


def of_text(status: int, body: str, kind: str = _JSON, **headers: str) -> Answer:
    """An answer with such a body; names of further headers have hyphens for underscores."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return {
        "statusCode": int(status),
        "headers": {"Content-Type": kind, **more},
        "body": body,
        "isBase64Encoded": False,
    }


def tagged(found: Answer, asked: str) -> Answer:
    """The answer with its ETag, or 304 without a body if the caller has it already (RFC 9110, 13.1.2).

    Parameters
    ----------
    found : Answer
        What isn't a success stays as it is.
    asked : str
        The request's header If-None-Match.
    """
    if found["statusCode"] != HTTPStatus.OK:
        return found
    tag = f'"{hashlib.sha256(found["body"].encode()).hexdigest()[:_TAG]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    # A proxy that compressed the body makes a weak tag of it.
    known = [word.strip().removeprefix("W/") for word in asked.split(",")]
    if tag in known or known == ["*"]:
        return {"statusCode": int(HTTPStatus.NOT_MODIFIED), "headers": headers, "body": "", "isBase64Encoded": False}
    return {**found, "headers": {**found["headers"], **headers}}


def body_of(event: Mapping[str, Any], refused: Callable[[str], HeadwaterError]) -> bytes:
    """The bytes of a request's body; ``refused`` makes the error of one that isn't base64 although it says so."""
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return str(body).encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(body)
    except ValueError as error:
        raise refused(f"the body is not base64: {error}") from error


def _dumped(body: Mapping[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False)
