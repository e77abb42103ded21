"""``GET /metrics`` for whoever IAM lets through, ``GET /metrics/scrape`` for Prometheus, which shows a token."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.handlers.answers import Answer, failure, of_text, refusal
from headwater.handlers.observability import observe
from headwater.monitoring.dashboards.openmetrics import chosen, exposition
from headwater.monitoring.dashboards.tokens import ScrapeTokens, TokenRefused, bearer
from headwater.routes import METRICS
from headwater.settings import FunctionSettings, at_init_from
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table

if TYPE_CHECKING:
    from headwater.monitoring.dashboards.store import Statuses

logger, tracer, metrics, entry = observe("monitoring")


class Settings(FunctionSettings):
    """Environment of the metrics function."""

    registry_table: str


class Services(NamedTuple):
    """Services that live as long as the function's environment."""

    statuses: Statuses
    tokens: ScrapeTokens


@at_init_from(Settings)
def services(settings: Settings) -> Services:
    # Imported here: the deployment reads `Settings` where NumPy needn't be installed.
    from headwater.monitoring.dashboards.store import Statuses

    table = Table(settings.registry_table, CLIENTS)
    return Services(Statuses(table), ScrapeTokens(table))


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> Answer:
    """Answer one HTTP request with the statuses of all models."""
    headers = event.get("headers") or {}
    given = bearer(headers.get("authorization", ""))
    try:
        # The API's own word for what it matched: IAM has checked that route, and every other one needs a token.
        if event.get("routeKey") != METRICS.key:
            logger.append_keys(token=services().tokens.admit(given).name)
        kind = chosen(headers.get("accept", ""))
        read = services().statuses.all()
        for model, why in read.unreadable.items():
            logger.error(f"the status of {model} can't be read: {why}", extra={"model": model})
        return _fresh(of_text(HTTPStatus.OK, exposition(read.statuses, kind, read.unreadable), kind))
    except TokenRefused as error:
        logger.info("a scrape was refused", extra={"reason": error.reason, "shows_token": bool(given)})
        answer = _fresh(refusal(error.http_status, error.reason, error.message, context.aws_request_id))
        # RFC 6750: who showed no token at all is told no error, only what to show.
        answer["headers"]["WWW-Authenticate"] = 'Bearer realm="headwater"' + ', error="invalid_token"' * bool(given)
        return answer
    except Exception as error:
        # Nothing of an unexpected error leaves the house; its stack goes to the log.
        logger.error("unexpected error", exc_info=error)
        return _fresh(failure(context.aws_request_id))


def _fresh(answer: Answer) -> Answer:
    """The answer as nobody may keep it."""
    answer["headers"]["Cache-Control"] = "no-store"
    return answer
