"""Questions about how models are, put together from a stack's buckets and table: for the client and for the API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from headwater.graph import Places
from headwater.monitoring.days.store import DayStore
from headwater.monitoring.days.versions import Versions
from headwater.monitoring.labels.service import Labels
from headwater.monitoring.log.store import CompactionStore
from headwater.monitoring.performance.asking import Asking
from headwater.monitoring.watch.records import WatchRecords
from headwater.monitoring.watch.store import WatchStore
from headwater.monitoring.watching import Watching
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore


def watching(places: Places, known: datetime | None) -> Watching:
    """Answers questions about predictions, as known at a moment; None: now. Each question sees what there is then."""
    bucket, table, clients = places.predictions_bucket, places.table, places.clients
    registry = Registry(table)
    return Watching(
        registry,
        CompactionStore(bucket, table, clients),
        DayStore(bucket, table, clients),
        WatchStore(bucket, table, clients),
        Versions(registry, ArtifactStore(places.artifacts_bucket, clients)),
        now=datetime.now(UTC),
        known=known,
    )


@contextmanager
def asking(places: Places, model: str, known: datetime | None) -> Iterator[Asking]:
    """Answers questions about a model's performance, as known at a moment; None: now."""
    table, artifacts = places.table, ArtifactStore(places.artifacts_bucket, places.clients)
    registry, records = Registry(table), WatchRecords(table)
    with Labels(
        model,
        places.clients,
        registry=table,
        artifacts=artifacts,
        predictions_bucket=places.predictions_bucket,
        lake_bucket=places.lake_bucket,
    ) as labels:
        yield Asking(
            watching(places, known),
            registry,
            artifacts,
            Versions(registry, artifacts),
            labels,
            known=known,
            standing=lambda version: records.standing(model, version).standing,
        )
