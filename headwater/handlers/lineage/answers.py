"""HTTP answers of lineage's routes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger

from headwater.errors import HeadwaterError

Answer = dict[str, Any]
"""A function's answer that API Gateway turns into an HTTP response (payload 2.0)."""


def answer(
    call: Callable[[], Mapping[str, Any]], logger: Logger, request_id: str, status: int = HTTPStatus.OK
) -> Answer:
    """The answer of ``call``, or its error: in full if the caller can do something about it."""
    try:
        return _json(status, call())
    except HeadwaterError as error:
        if error.http_status < HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.info(error.message, extra={"reason": error.reason})
            return _error(error.http_status, error.reason, error.message, request_id)
        logger.error(error.message, exc_info=error)
    except Exception as error:
        # Nothing of an unexpected error leaves the house; its stack goes to the log.
        logger.error("unexpected error", exc_info=error)
    said = "the request failed; the function's log says why"
    return _error(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", said, request_id)


def _error(status: int, reason: str, message: str, request_id: str) -> Answer:
    return _json(status, {"reason": reason, "message": message, "request_id": request_id})


def _json(status: int, body: Mapping[str, Any]) -> Answer:
    return {
        "statusCode": int(status),
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps(body, ensure_ascii=False),
        "isBase64Encoded": False,
    }
