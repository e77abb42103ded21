"""Watching models: whether the predictions of each day look as the training's days did."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from headwater.client.connection import Connection
from headwater.client.errors import needed
from headwater.client.scrape_tokens import Tokens
from headwater.errors import InvalidRequest
from headwater.registry.service import PRODUCTION, Registry
from headwater.registry.store import ArtifactStore
from headwater.storage.table import Table

if TYPE_CHECKING:
    from headwater.monitoring.watching import Watched, Watching

DAYS = 7
LONGEST = 92
"""Days that one question may be about: each is counted from the log when it is asked about."""


class Monitor:
    """The verbs on watching; ``headwater.connect().monitor``.

    Attributes
    ----------
    tokens : Tokens
        Tokens by which Prometheus reads the metrics: create, list, revoke.
    """

    def __init__(self, connection: Connection) -> None:
        self._using, self._description = connection.using, connection.description
        self.tokens = Tokens(connection)

    def openmetrics(self, *, since: datetime | None = None, until: datetime | None = None) -> Iterator[str]:
        """Lines of OpenMetrics with times, for ``promtool tsdb create-blocks-from openmetrics``.

        Parameters
        ----------
        since, until : datetime, optional
            With their time zones; ``until`` itself isn't part of it.
        """
        from headwater.monitoring.dashboards.openmetrics import between, history

        with needed("statuses are read with NumPy's types"), self._using():
            from headwater.monitoring.dashboards.store import Statuses

            samples = list(between(Statuses(Table(self._description.registry_table)).samples(), since, until))
        return history(samples)

    def drift(
        self, model: str, *, version: int | None = None, since: date | None = None, until: date | None = None
    ) -> Watched:
        """The verdict on each day of a version's predictions: one p-value a day, and the features that explain it.

        Parameters
        ----------
        model : str
        version : int, optional
            By default the one that serves.
        since, until : date, optional
            First and last day, UTC; by default the last seven.

        Raises
        ------
        ModelNotRegistered, VersionNotFound, AliasNotFound
        NoBank
            The version was trained before training kept profiles of its days.
        """
        last = until or datetime.now(UTC).date()
        first = since or last - timedelta(days=DAYS - 1)
        if not first <= last < first + timedelta(days=LONGEST):
            raise InvalidRequest(f"{first} to {last}: expected 1 to {LONGEST} days, the first one not after the last")
        with needed("drift is counted by NumPy, from predictions that DuckDB reads"), self._using():
            watching = self._watching()
            number = version or Registry(Table(self._description.registry_table)).resolve(model, PRODUCTION).version
            return watching.drift(model, number, first, last)

    def _watching(self) -> Watching:
        from headwater.monitoring.log.reading import Reader
        from headwater.monitoring.log.store import CompactionStore
        from headwater.monitoring.watching import Watching

        stack, table = self._description, Table(self._description.registry_table)
        reader = Reader(CompactionStore(stack.predictions_bucket, table))
        return Watching(Registry(table), ArtifactStore(stack.artifacts_bucket), reader)
