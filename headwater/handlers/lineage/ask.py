"""``GET /lineage``: what was made from what, in the shape of Marquez' graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.handlers.answers import Answer, answer
from headwater.handlers.lineage.settings import StackSettings
from headwater.handlers.observability import observe
from headwater.settings import at_init_from

if TYPE_CHECKING:
    from headwater.lineage.service import LineageService

logger, tracer, metrics, entry = observe("lineage")


class Settings(StackSettings):
    """Environment of the ask function."""


@at_init_from(Settings)
def service(settings: Settings) -> LineageService:
    from headwater.lineage.service import LineageService

    return LineageService(settings.places)


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> Answer:
    """Answer one HTTP request from the index, which is up to an hour behind the facts."""
    from headwater.lineage.asking import ask

    query = event.get("queryStringParameters") or {}
    return answer(lambda: ask(service(), query), logger, context.aws_request_id)
