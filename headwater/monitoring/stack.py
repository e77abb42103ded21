"""Questions about how models are, put together from a stack's buckets and table: for the client and for the API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

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
from headwater.storage.clients import Clients
from headwater.storage.table import Table


@dataclass(frozen=True)
class WatchedStack:
    """A stack's buckets and table, with nothing remembered: each question sees what there is now."""

    registry_table: str
    artifacts_bucket: str
    predictions_bucket: str
    lake_bucket: str
    clients: Clients

    def watching(self, known: datetime | None) -> Watching:
        """Answer questions about predictions, as known at a moment; None: now."""
        bucket, table = self.predictions_bucket, Table(self.registry_table, self.clients)
        registry = Registry(table)
        return Watching(
            registry,
            CompactionStore(bucket, table, self.clients),
            DayStore(bucket, table, self.clients),
            WatchStore(bucket, table, self.clients),
            Versions(registry, ArtifactStore(self.artifacts_bucket, self.clients)),
            now=datetime.now(UTC),
            known=known,
        )

    @contextmanager
    def asking(self, model: str, known: datetime | None) -> Iterator[Asking]:
        """Answer questions about a model's performance, as known at a moment; None: now."""
        table, artifacts = Table(self.registry_table, self.clients), ArtifactStore(self.artifacts_bucket, self.clients)
        registry, records = Registry(table), WatchRecords(table)
        with Labels(
            model,
            self.clients,
            registry=table,
            artifacts=artifacts,
            predictions_bucket=self.predictions_bucket,
            lake_bucket=self.lake_bucket,
        ) as labels:
            yield Asking(
                self.watching(known),
                registry,
                artifacts,
                Versions(registry, artifacts),
                labels,
                known=known,
                standing=lambda version: records.standing(model, version).standing,
            )
