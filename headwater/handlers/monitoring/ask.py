"""``GET /models/{model}/monitor/...``: how a model is, for programs that can't run the client."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.errors import NotFound
from headwater.graph import Places
from headwater.handlers.answers import Answer, dumped, guarded, still_true, tag_of, tagged, unchanged
from headwater.handlers.observability import observe
from headwater.routes import MODEL_DRIFT, MODEL_PERFORMANCE, MODEL_QUALITY, MODEL_STATUS
from headwater.settings import FunctionSettings
from headwater.storage.environment import CLIENTS

logger, tracer, metrics, entry = observe("monitoring")
QUESTIONS = {"status": MODEL_STATUS, "drift": MODEL_DRIFT, "quality": MODEL_QUALITY, "performance": MODEL_PERFORMANCE}


class Settings(FunctionSettings):
    """Environment of the ask function."""

    predictions_bucket: str
    artifacts_bucket: str
    lake_bucket: str
    registry_table: str


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> Answer:
    """Answer one HTTP request, or say that the caller has the answer already: for that nothing is computed."""
    return guarded(lambda: _ask(event), logger, context.aws_request_id)


def _ask(event: dict[str, Any]) -> Answer:
    # Imported here: the deployment reads `Settings` where DuckDB and NumPy needn't be installed.
    from headwater.monitoring.asking import ask

    method, path = event["requestContext"]["http"]["method"], event["rawPath"]
    known = (event.get("headers") or {}).get("if-none-match", "")
    for question, route in QUESTIONS.items():
        if (named := route.match(method, path)) is not None:
            places = Places(**Settings.from_environment().model_dump(), clients=CLIENTS)
            asked = ask(places, question, named["model"], event.get("queryStringParameters") or {})
            if (tag := still_true(known, asked.fingerprint, datetime.now(UTC))) is not None:
                return unchanged(tag)
            found = asked.answer()
            body = dumped(found.body)
            return tagged(body, tag_of(asked.fingerprint, found.until, body), known)
    raise NotFound(f"{method} {path}: expected one of {', '.join(route.key for route in QUESTIONS.values())}")
