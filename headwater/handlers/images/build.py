"""During a deployment: build the training container where there is Docker, and answer with its digest."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.handlers.observability import observe
from headwater.images.service import Images
from headwater.images.types import BuildRequest
from headwater.settings import FunctionSettings, at_init_from
from headwater.storage.environment import CLIENTS

logger, tracer, metrics, entry = observe("images")

# What is left of the function's own time to say that the build isn't done.
MARGIN = timedelta(seconds=15)


class Settings(FunctionSettings):
    """Environment of the build function."""

    repository_uri: str
    build_project: str


@at_init_from(Settings)
def images(settings: Settings) -> Images:
    """The repository and the project that builds into it."""
    return Images(settings.repository_uri, settings.build_project, CLIENTS)


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Build one context, once, and say what image it became."""
    request = BuildRequest.model_validate({name: event.get(name) for name in BuildRequest.model_fields})
    within = timedelta(milliseconds=context.get_remaining_time_in_millis()) - MARGIN
    image = images().build(request, within=within)
    logger.info("image ready", extra={"image": image, "tag": request.tag})
    return {"image": image}
