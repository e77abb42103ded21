"""The HTTP API's function: predictions and model cards."""

from __future__ import annotations

import base64
import os
import time
from http import HTTPStatus
from typing import Any, NamedTuple

from aws_lambda_powertools import single_metric
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.observability import NAMESPACE, observe
from headwater.errors import HeadwaterError
from headwater.features.store import OnlineStore
from headwater.registry.service import PRODUCTION, Registry
from headwater.registry.store import ArtifactStore
from headwater.serving.errors import InvalidBody
from headwater.serving.extension import Extension
from headwater.serving.log import PredictionLog, WriteAfterResponse, WriteAtOnce
from headwater.serving.models import ServingModels
from headwater.serving.requests import dump
from headwater.serving.service import Serving
from headwater.serving.store import PredictionStore
from headwater.serving.types import PredictionRecord
from headwater.settings import FunctionSettings, at_init

logger, tracer, metrics, entry = observe("serving")
app = APIGatewayHttpResolver()


class Settings(FunctionSettings):
    """What this function must be told."""

    registry_table: str
    features_table: str
    artifacts_bucket: str
    predictions_bucket: str
    alias_refresh_seconds: float = 3.0
    """How long an alias is believed without asking the registry: the time a promotion takes to arrive."""
    alias_stale_seconds: float = 600.0
    """How long the last known version goes on serving while the registry doesn't answer."""


class Services(NamedTuple):
    """What lives as long as the function's environment."""

    serving: Serving
    log: PredictionLog


def prediction_log(bucket: str) -> PredictionLog:
    """In a Lambda a log that writes after the response, elsewhere one that writes at once."""
    write = PredictionStore(bucket).write
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


@at_init
def services() -> Services:
    """The predict path and the prediction log. Stands below what it calls: in a Lambda it is built right here."""
    settings = Settings()
    artifacts = ArtifactStore(settings.artifacts_bucket)
    models = ServingModels(
        Registry.from_settings(settings),
        artifacts,
        refresh_after=settings.alias_refresh_seconds,
        stale_after=settings.alias_stale_seconds,
        on_stale=report_stale,
    )
    return Services(Serving(models, OnlineStore(settings.features_table)), prediction_log(settings.predictions_bucket))


@app.post("/models/<model>/predictions")
def predict(model: str) -> Response[str]:
    """Predict for each instance of the request."""
    started = time.perf_counter()
    event, request_id = app.current_event.raw_event, app.lambda_context.aws_request_id
    alias = _alias(event)
    logger.append_keys(model=model, alias=alias)
    serving, log = services()
    answer = serving.predict(model, _body(event), request_id=request_id, alias=alias)
    log.add(answer.record)
    logger.append_keys(version=answer.record.version, run_id=answer.record.run_id)
    metrics.add_dimension("model", model)
    metrics.add_metric("Predictions", MetricUnit.Count, len(answer.record.predictions))
    metrics.add_metric("MissingFeatures", MetricUnit.Count, answer.missing_features)
    metrics.add_metadata("version", answer.record.version)
    metrics.add_metadata("run_id", answer.record.run_id)
    metrics.add_metadata("request_id", answer.record.request_id)
    metrics.add_metric("Latency", MetricUnit.Milliseconds, (time.perf_counter() - started) * 1000)
    return _json(HTTPStatus.OK, answer.body)


@app.get("/models/<model>")
def card(model: str) -> Response[str]:
    """The card of the version that serves."""
    return _json(HTTPStatus.OK, services().serving.card(model, _alias(app.current_event.raw_event)))


@app.exception_handler(HeadwaterError)  # type: ignore[untyped-decorator]
def refuse(error: HeadwaterError) -> Response[str]:
    """Say what was wrong: in full if the caller can mend it, without internals if not."""
    if error.http_status < HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.info(error.message, extra={"reason": error.reason})
        return _error(error.http_status, error.reason, error.message)
    logger.error(error.message, exc_info=error, extra={"reason": error.reason})
    if error.http_status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return _error(error.http_status, "InternalError", "the prediction failed; the function's log says why")
    return _error(error.http_status, error.reason, "try again in a moment")


@app.exception_handler(Exception)  # type: ignore[untyped-decorator]
def fail(error: Exception) -> Response[str]:
    """Nothing of an unexpected error leaves the house; its stack goes to the log."""
    logger.error("unexpected error", exc_info=error)
    return _error(
        HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", "the prediction failed; the function's log says why"
    )


@app.not_found
def no_route(_: Exception) -> Response[str]:
    """No such path or method."""
    event = app.current_event
    return _error(HTTPStatus.NOT_FOUND, "NotFound", f"there is no {event.http_method} {event.path}")


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one HTTP request; what was predicted is logged after the response went out."""
    try:
        return app.resolve(event, context)
    finally:
        services().log.close()


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


def _error(status: int, reason: str, message: str) -> Response[str]:
    request_id = app.lambda_context.aws_request_id
    return _json(status, {"reason": reason, "message": message, "request_id": request_id})


def _json(status: int, body: dict[str, Any]) -> Response[str]:
    return Response(status_code=status, content_type="application/json", body=dump(body))
