"""Streamed feature rows, from the HTTP API and from the queue: kept until they are committed, and online at once."""

from __future__ import annotations

import base64
import json
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.deployed import deployed_catalog
from headwater.errors import HeadwaterError, InvalidRequest
from headwater.features.errors import InvalidRows
from headwater.features.online.store import OnlineStore
from headwater.features.stream.rows import Streamed, Streaming
from headwater.handlers.observability import observe
from headwater.json_values import loads
from headwater.lake.store import Arrivals
from headwater.routes import STREAM_ROWS
from headwater.settings import FunctionSettings, at_init_from
from headwater.storage.environment import CLIENTS

logger, tracer, metrics, entry = observe("features")

Answer = dict[str, Any]


class Settings(FunctionSettings):
    """Environment of the stream function."""

    features_table: str
    lake_bucket: str


@at_init_from(Settings)
def service(settings: Settings) -> Streaming:
    return Streaming(
        deployed_catalog(), OnlineStore(settings.features_table, CLIENTS), Arrivals(settings.lake_bucket, CLIENTS)
    )


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> Answer:
    """Answer one HTTP request, or say which of a queue's messages have to come again."""
    if "Records" in event:
        failed = [record["messageId"] for record in event["Records"] if not take(record)]
        return {"batchItemFailures": [{"itemIdentifier": message} for message in failed]}
    try:
        found = STREAM_ROWS.match(event["requestContext"]["http"]["method"], event["rawPath"])
        return _json(HTTPStatus.OK, ingest(found["view"] if found else "", _body(event)).model_dump())
    except HeadwaterError as error:
        if error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.error(error.message, exc_info=error)
        said = error.message if error.http_status < HTTPStatus.INTERNAL_SERVER_ERROR else "try again in a moment"
        answer = {"reason": error.reason, "message": said, "request_id": context.aws_request_id}
        problems = {"problems": error.by_row()} if isinstance(error, InvalidRows) else {}
        return _json(error.http_status, answer | problems)


def take(record: dict[str, Any]) -> bool:
    """Take a message, ``{"view", "rows"}``; False if it has to come again, and at last becomes a dead letter."""
    try:
        message = _object(record["body"])
        ingest(str(message.get("view")), message.get("rows"))
    except Exception as error:
        # One message mustn't hold up those beside it, whatever is wrong with it.
        logger.error("a message wasn't taken", exc_info=error, extra={"message_id": record["messageId"]})
        return False
    return True


def ingest(view: str, rows: Any) -> Streamed:
    """Keep rows, bring them online and count them."""
    done = service().ingest(view, rows)
    metrics.add_metric("FeatureRowsStreamed", MetricUnit.Count, done.rows)
    logger.info("rows streamed", extra=done.model_dump())
    return done


def _body(event: dict[str, Any]) -> Any:
    body = event.get("body") or ""
    try:
        text = base64.b64decode(body).decode() if event.get("isBase64Encoded") else body
    except ValueError as error:
        raise InvalidRequest(f"the body isn't UTF-8: {error}") from error
    return _object(text).get("rows")


def _object(text: str) -> dict[str, Any]:
    try:
        found = loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"not JSON: {error}") from error
    if not isinstance(found, dict):
        raise InvalidRequest(f"{type(found).__name__} given, expected an object with rows")
    return found


def _json(status: int, body: dict[str, Any]) -> Answer:
    return {
        "statusCode": int(status),
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }
