"""``POST /predictions/{id}/feedback``: keeps what an end user says of a prediction whose token he holds."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.errors import HeadwaterError
from headwater.handlers.answers import body_of
from headwater.handlers.observability import observe
from headwater.monitoring.feedback.errors import InvalidFeedback
from headwater.monitoring.feedback.messages import FeedbackAnswer
from headwater.monitoring.feedback.service import FeedbackService
from headwater.monitoring.feedback.store import FeedbackStore
from headwater.routes import FEEDBACK
from headwater.serving.feedback.tokens import Verifier
from headwater.settings import FunctionSettings, at_init_from
from headwater.storage.environment import CLIENTS
from headwater.storage.signing import KeyStore
from headwater.storage.table import Table

logger, tracer, metrics, entry = observe("monitoring")

Answer = dict[str, Any]
"""A function's answer that API Gateway turns into an HTTP response (payload 2.0)."""
# A page of any origin may send feedback: the token lets it, and neither cookies nor signatures do.
CORS = {"Access-Control-Allow-Origin": "*"}
PREFLIGHT = {
    **CORS,
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "content-type",
    "Access-Control-Max-Age": "86400",
}


class Settings(FunctionSettings):
    """Environment of the feedback function."""

    registry_table: str
    feedback_key: str
    """Name of the SSM parameter with the key that signs tokens."""


@at_init_from(Settings)
def service(settings: Settings) -> FeedbackService:
    verifier = Verifier(KeyStore(settings.feedback_key, CLIENTS, pause=time.sleep))
    return FeedbackService(FeedbackStore(Table(settings.registry_table, CLIENTS)), verifier)


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> Answer:
    """Answer one HTTP request, or a browser that asks first whether a page may send one.

    Neither comments nor tokens are logged.
    """
    method, path = event["requestContext"]["http"]["method"], event["rawPath"]
    if method == "OPTIONS":
        return _answer(HTTPStatus.NO_CONTENT, "", PREFLIGHT)
    try:
        found = FEEDBACK.match(method, path)
        return _json(
            HTTPStatus.OK,
            take(found["id"] if found else "", body_of(event, lambda _: InvalidFeedback("the body is not base64"))),
        )
    except HeadwaterError as error:
        if error.http_status < HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.info("feedback refused", extra={"reason": error.reason})
            return _refused(error.http_status, error.reason, error.message, context.aws_request_id)
        logger.error(error.message, exc_info=error)
    except Exception as error:
        # Nothing of an unexpected error leaves the house; its stack goes to the log.
        logger.error("unexpected error", exc_info=error)
    said = "the feedback wasn't taken; send it again in a moment"
    return _refused(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", said, context.aws_request_id)


def take(prediction_id: str, body: bytes) -> FeedbackAnswer:
    """Take what a body says of a prediction."""
    feedback, is_new = service().take(prediction_id, body)
    metrics.add_metric("FeedbackTaken", MetricUnit.Count, int(is_new))
    said = {"prediction_id": prediction_id, "model": feedback.model, "sequence": feedback.sequence, "new": is_new}
    logger.info("feedback taken", extra=said)
    at = feedback.received_at.isoformat()
    return {"prediction_id": prediction_id, "sequence": feedback.sequence, "received_at": at}


def _refused(status: int, reason: str, message: str, request_id: str) -> Answer:
    return _json(status, {"reason": reason, "message": message, "request_id": request_id})


def _json(status: int, body: Mapping[str, Any]) -> Answer:
    return _answer(status, json.dumps(body), {"Content-Type": "application/json", **CORS})


def _answer(status: int, body: str, headers: Mapping[str, str]) -> Answer:
    return {"statusCode": int(status), "headers": dict(headers), "body": body, "isBase64Encoded": False}
