"""The HTTP API's function: predictions, model cards, and the API's own description."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache, lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aws_lambda_powertools import single_metric
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

import headwater.serving
from headwater.errors import HeadwaterError
from headwater.features.online.store import OnlineStore
from headwater.handlers.observability import NAMESPACE, MetricLine, observe
from headwater.registry.service import PRODUCTION, Registry
from headwater.registry.store import ArtifactStore
from headwater.routes import CARD, OPENAPI, PREDICT
from headwater.serving.errors import InvalidBody
from headwater.serving.extension import Extension
from headwater.serving.log import PredictionLog, WriteAfterResponse, WriteAtOnce
from headwater.serving.models import ServingModels
from headwater.serving.requests import dump
from headwater.serving.service import Serving
from headwater.serving.store import PredictionStore
from headwater.serving.types import PredictionRecord
from headwater.settings import FunctionSettings, at_init_from
from headwater.storage.environment import CLIENTS

if TYPE_CHECKING:
    from headwater.serving.feedback.tokens import Signer

logger, tracer, metrics, entry = observe("serving")

Answer = dict[str, Any]
"""A function's answer that API Gateway turns into an HTTP response (payload 2.0)."""


class Settings(FunctionSettings):
    """Environment of the predict function."""

    registry_table: str
    features_table: str
    artifacts_bucket: str
    predictions_bucket: str
    alias_refresh_seconds: float = 3.0
    """How long an alias is believed without asking the registry: the time a promotion takes to arrive."""
    alias_stale_seconds: float = 600.0
    """How long the last known version goes on serving while the registry doesn't answer."""
    feedback_key: str = ""
    """Name of the SSM parameter with the key that signs feedback tokens; empty: no tokens are given."""
    feedback_kms_key: str = ""
    """ARN of the KMS key that encrypts it; empty: the account's own for SSM."""
    feedback_token_days: float = 30.0
    """Days that a feedback token is valid."""


class Services(NamedTuple):
    """Services that live as long as the function's environment."""

    serving: Serving
    log: PredictionLog


def prediction_log(bucket: str) -> PredictionLog:
    """In a Lambda a log that writes after the response, elsewhere one that writes at once."""
    write = PredictionStore(bucket, CLIENTS).write
    if "AWS_LAMBDA_RUNTIME_API" not in os.environ:
        return WriteAtOnce(write, on_failure=report_unlogged)
    log = WriteAfterResponse(
        write,
        on_failure=report_unlogged,
        extension=Extension("prediction-log", os.environ["AWS_LAMBDA_RUNTIME_API"]),
    )
    log.start()
    return log


def report_unlogged(record: PredictionRecord | None, error: Exception) -> None:
    """Log and count a prediction that couldn't be written down."""
    extra = {"key": record.key, "model": record.model, "version": record.version} if record else {}
    logger.error("the prediction log failed", exc_info=error, extra=extra)
    with single_metric(name="PredictionLogFailures", unit=MetricUnit.Count, value=1, namespace=NAMESPACE) as metric:
        metric.add_dimension("service", "serving")


def report_stale(model: str, alias: str, error: Exception) -> None:
    """Log and count that an alias is served from memory because the registry doesn't answer."""
    logger.warning("the registry doesn't answer", exc_info=error, extra={"model": model, "alias": alias})
    metrics.add_metric("StaleAliases", MetricUnit.Count, 1)


@cache
def signer() -> Signer:
    """The signer of feedback tokens: made, and its key fetched, for the first request that asks for one."""
    from headwater.serving.feedback.tokens import Signer
    from headwater.storage.signing import KeyStore

    settings = Settings.from_environment()
    keys = KeyStore(settings.feedback_key, CLIENTS, settings.feedback_kms_key, pause=time.sleep)
    return Signer(keys, timedelta(days=settings.feedback_token_days))


def feedback_tokens(model: str, request_id: str, at: datetime, count: int) -> Sequence[str | None]:
    """A feedback token for each prediction, counted; nothing in their place if the key can't be had.

    A prediction is worth more than its feedback: it is answered all the same.
    """
    if not Settings.from_environment().feedback_key:
        raise InvalidBody("feedback: true, but this stack gives no feedback tokens: it was deployed without their key")
    try:
        tokens = signer().tokens(model, request_id, at, count)
    except Exception as error:
        logger.error("no feedback token could be made", exc_info=error, extra={"model": model})
        metrics.add_metric("FeedbackTokenFailures", MetricUnit.Count, count)
        return [None] * count
    _asked_line(model).write({"FeedbackAsked": count}, request_id=request_id)
    return tokens


@at_init_from(Settings)
def services(settings: Settings) -> Services:
    """The predict path and the prediction log. Stands below what it calls: in a Lambda it is built right here."""
    artifacts = ArtifactStore(settings.artifacts_bucket, CLIENTS)
    models = ServingModels(
        Registry.from_settings(settings, CLIENTS),
        artifacts,
        refresh_after=settings.alias_refresh_seconds,
        stale_after=settings.alias_stale_seconds,
        on_stale=report_stale,
    )
    serving = Serving(models, OnlineStore(settings.features_table, CLIENTS), tokens=feedback_tokens)
    return Services(serving, prediction_log(settings.predictions_bucket))


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> Answer:
    """Answer one HTTP request; what was predicted is logged after the response went out."""
    try:
        return route(event, context.aws_request_id)
    except HeadwaterError as error:
        return refuse(error, context.aws_request_id)
    except Exception as error:
        # Nothing of an unexpected error leaves the house; its stack goes to the log.
        logger.error("unexpected error", exc_info=error)
        return _failed(context.aws_request_id)
    finally:
        services().log.close()


def route(event: dict[str, Any], request_id: str) -> Answer:
    """Call what answers the event's method and path.

    Three routes need no resolver: Powertools' costs a warm request as much as the prediction itself, and 0.06 s of
    each cold start.
    """
    method, path = event["requestContext"]["http"]["method"], event["rawPath"]
    if found := PREDICT.match(method, path):
        return predict(found["model"], event, request_id)
    if found := CARD.match(method, path):
        return card(found["model"], event)
    if OPENAPI.match(method, path) is not None:
        return openapi()
    return _error(HTTPStatus.NOT_FOUND, "NotFound", f"there is no {method} {path}", request_id)


def predict(model: str, event: dict[str, Any], request_id: str) -> Answer:
    """Predict for each instance of the request."""
    started = time.perf_counter()
    alias = _alias(event)
    logger.append_keys(model=model, alias=alias)
    serving, log = services()
    answer = serving.predict(model, _body(event), request_id=request_id, alias=alias)
    record = answer.record
    log.add(record)
    logger.append_keys(version=record.version, run_id=record.run_id)
    counts = {"Predictions": len(record.predictions), "MissingFeatures": answer.missing_features}
    counted = _metric_line(model, record.version, record.run_id)
    counted.write(counts | {"Latency": (time.perf_counter() - started) * 1000}, request_id=request_id)
    return _json(HTTPStatus.OK, answer.body)


def card(model: str, event: dict[str, Any]) -> Answer:
    """The card of the version that serves."""
    return _json(HTTPStatus.OK, services().serving.card(model, _alias(event)))


@cache
def openapi() -> Answer:
    """The description of the API that the bundle carries (``make reference`` writes it)."""
    return _answer(HTTPStatus.OK, Path(headwater.serving.__file__).with_name("openapi.json").read_text("utf-8"))


def refuse(error: HeadwaterError, request_id: str) -> Answer:
    """Say what was wrong: in full if the caller can fix it, without internals if not."""
    if error.http_status < HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.info(error.message, extra={"reason": error.reason})
        return _error(error.http_status, error.reason, error.message, request_id)
    logger.error(error.message, exc_info=error, extra={"reason": error.reason})
    if error.http_status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return _failed(request_id)
    return _error(error.http_status, error.reason, "try again in a moment", request_id)


@lru_cache(maxsize=64)
def _metric_line(model: str, version: int, run_id: str) -> MetricLine:
    count, milliseconds = MetricUnit.Count, MetricUnit.Milliseconds
    return MetricLine(
        "serving",
        {"Predictions": count, "MissingFeatures": count, "Latency": milliseconds},
        dimensions={"model": model},
        metadata={"version": version, "run_id": run_id},
    )


@lru_cache(maxsize=64)
def _asked_line(model: str) -> MetricLine:
    return MetricLine("serving", {"FeedbackAsked": MetricUnit.Count}, dimensions={"model": model}, metadata={})


def _alias(event: dict[str, Any]) -> str:
    alias: str = (event.get("queryStringParameters") or {}).get("alias", PRODUCTION)
    return alias


def _body(event: dict[str, Any]) -> bytes:
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return body.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(body)
    except ValueError as error:
        raise InvalidBody(f"the body is not base64: {error}") from error


def _failed(request_id: str) -> Answer:
    message = "the prediction failed; the function's log says why"
    return _error(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", message, request_id)


def _error(status: int, reason: str, message: str, request_id: str) -> Answer:
    return _json(status, {"reason": reason, "message": message, "request_id": request_id})


def _json(status: int, body: Mapping[str, Any]) -> Answer:
    return _answer(status, dump(body))


def _answer(status: int, body: str) -> Answer:
    return {
        "statusCode": int(status),
        "headers": {"Content-Type": "application/json"},
        "body": body,
        "isBase64Encoded": False,
    }
