"""``GET /models/{model}/monitor/...``: how a model is, for programs that can't run the client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.errors import NotFound
from headwater.handlers.answers import Answer, answer, tagged
from headwater.handlers.observability import observe
from headwater.routes import MODEL_DRIFT, MODEL_PERFORMANCE, MODEL_QUALITY, MODEL_STATUS
from headwater.settings import FunctionSettings

if TYPE_CHECKING:
    from headwater.monitoring.performance.asking import Asking
    from headwater.monitoring.watching import Watching

logger, tracer, metrics, entry = observe("monitoring")
QUESTIONS = {"status": MODEL_STATUS, "drift": MODEL_DRIFT, "quality": MODEL_QUALITY, "performance": MODEL_PERFORMANCE}


class Settings(FunctionSettings):
    """Environment of the ask function."""

    predictions_bucket: str
    artifacts_bucket: str
    lake_bucket: str
    registry_table: str


class _Stack:
    """The stack's buckets and table, with nothing remembered: each request sees what there is now."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def watching(self, known: datetime | None) -> Watching:
        # Imported here: the deployment reads `Settings` where DuckDB and NumPy needn't be installed.
        from headwater.monitoring.days.store import DayStore
        from headwater.monitoring.days.versions import Versions
        from headwater.monitoring.log.store import CompactionStore
        from headwater.monitoring.watch.store import WatchStore
        from headwater.monitoring.watching import Watching
        from headwater.registry.service import Registry
        from headwater.registry.store import ArtifactStore
        from headwater.storage.table import Table

        bucket, table = self._settings.predictions_bucket, Table(self._settings.registry_table)
        registry = Registry(table)
        return Watching(
            registry,
            CompactionStore(bucket, table),
            DayStore(bucket, table),
            WatchStore(bucket, table),
            Versions(registry, ArtifactStore(self._settings.artifacts_bucket)),
            now=datetime.now(UTC),
            known=known,
        )

    @contextmanager
    def asking(self, model: str, known: datetime | None) -> Iterator[Asking]:
        from headwater.monitoring.days.versions import Versions
        from headwater.monitoring.labels.service import Labels
        from headwater.monitoring.performance.asking import Asking
        from headwater.monitoring.watch.records import WatchRecords
        from headwater.registry.service import Registry
        from headwater.registry.store import ArtifactStore
        from headwater.storage.table import Table

        settings = self._settings
        table, artifacts = Table(settings.registry_table), ArtifactStore(settings.artifacts_bucket)
        registry = Registry(table)
        with Labels(
            model,
            registry=table,
            artifacts=artifacts,
            predictions_bucket=settings.predictions_bucket,
            lake_bucket=settings.lake_bucket,
        ) as labels:
            yield Asking(
                self.watching(known),
                registry,
                artifacts,
                Versions(registry, artifacts),
                labels,
                known=known,
                standing=lambda version: WatchRecords(table).standing(model, version).standing,
            )


@entry
def handler(event: dict[str, Any], context: LambdaContext) -> Answer:
    """Answer one HTTP request, or say that the caller has the answer already."""
    found = answer(lambda: _ask(event), logger, context.aws_request_id)
    return tagged(found, (event.get("headers") or {}).get("if-none-match", ""))


def _ask(event: dict[str, Any]) -> Mapping[str, Any]:
    from headwater.monitoring.asking import ask

    method, path = event["requestContext"]["http"]["method"], event["rawPath"]
    for question, route in QUESTIONS.items():
        if (named := route.match(method, path)) is not None:
            stack = _Stack(Settings.from_environment())
            return ask(stack, question, named["model"], event.get("queryStringParameters") or {})
    raise NotFound(f"{method} {path}: expected one of {', '.join(route.key for route in QUESTIONS.values())}")
