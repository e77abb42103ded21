"""The feature store for people and notebooks: online and historical values, and the catalog of views."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from headwater.client.connection import Connection, Verbs
from headwater.client.errors import BadTarget, needed
from headwater.client.features.frames import Frame, Table, rows_of
from headwater.client.features.materialising import Progress, materialise
from headwater.client.features.skew import measure_skew
from headwater.client.features.streaming import Ingested, ingest
from headwater.client.features.values import join, look_up
from headwater.features.catalog.searching import Found
from headwater.features.catalog.views import Finding, State, ViewDetails, ViewStatistics, ViewSummary
from headwater.features.online.records import Materialised
from headwater.features.online.store import OnlineStore
from headwater.lake.store import Objects
from headwater.storage.executions import Executions
from headwater.verification import is_reserved

if TYPE_CHECKING:
    from headwater.declare import Catalog, FeatureView
    from headwater.features.catalog.differences import Difference
    from headwater.features.catalog.lineage import Lineage
    from headwater.features.service import AsOf
    from headwater.lake.service import Lake
    from headwater.monitoring.parity import ViewParity
    from headwater.monitoring.skew import Skew


class Features(Verbs):
    """The verbs on features; ``headwater.connect().features``.

    The verbs read the lake, the registry and the online store with the caller's own AWS credentials. Views and their
    definitions come from the registry, so the products' code isn't needed.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        stack = self._description
        self._catalog = Finding(
            connection.table,
            Objects(stack.lake_bucket, connection.clients),
            connection.artifacts,
            declared=stack.views,
            executions=Executions(stack.materialisation_arn, connection.clients) if stack.materialisation_arn else None,
        )

    def list(self) -> tuple[ViewSummary, ...]:
        """Every feature view of the stack, by name, with its content and freshness."""
        return tuple(view for view in self._catalog.list() if not is_reserved(view.view))

    def show(self, view: str) -> ViewDetails:
        """A view's definition and its earlier ones, its sources and the models that use it.

        Raises
        ------
        UnknownView, NeverMaterialised
        """
        return self._catalog.show(view)

    def definition(self, view: str) -> FeatureView:
        """The current definition of a view, as the last materialisation or a later deployment stored it.

        Raises
        ------
        UnknownView, NeverMaterialised
        """
        return self._catalog.current(view).view

    def lineage(self, name: str) -> Lineage:
        """The lineage of ``view`` or ``view.feature``: its sources, and the model versions that use it.

        Raises
        ------
        UnknownView, NeverMaterialised, UnknownFeature
        """
        return self._catalog.lineage(name)

    def stats(self, view: str, at: str | None = None) -> ViewStatistics:
        """The statistics of a materialisation, feature by feature.

        Parameters
        ----------
        view : str
        at : str, optional
            First digits of a data version or of a definition's version; by default the last materialisation.

        Raises
        ------
        UnknownView, NeverMaterialised, UnknownViewVersion
        """
        return self._catalog.stats(view, at)

    def diff(self, view: str, before: str | None = None, after: str | None = None) -> Difference:
        """The changes in a view's definition and values; by default between its last two materialisations.

        Raises
        ------
        UnknownView, NeverMaterialised, UnknownViewVersion, NothingToCompare
        """
        return self._catalog.diff(view, before, after)

    def search(self, words: str) -> Found:
        """Views and features whose names, descriptions, owners, entities or sources have the words."""
        return self._catalog.search(words)

    def online(self, entities: Frame, features: Sequence[str], *, as_of: datetime | None = None) -> Frame:
        """The newest values of entities, as a prediction would see them.

        Parameters
        ----------
        entities : pandas.DataFrame, pyarrow.Table or sequence of mapping
            A column for each join key of the features' views; a row each.
        features : sequence of str
            ``view.feature`` each.
        as_of : datetime, optional
            The time at which ages are judged (with its time zone); by default now.

        Returns
        -------
        pandas.DataFrame, pyarrow.Table or list of dict
            As given, with a column ``view__feature`` for each feature and for each view ``view__status`` (FOUND,
            MISSING, EXPIRED or FUTURE) and ``view__age_seconds``.

        Raises
        ------
        UnknownView, NeverMaterialised, UnknownFeature
        BadFrame
            A join key is lacking, or the rows are no table.
        """
        store = OnlineStore(self._description.features_table, self._connection.clients)
        return look_up(self._catalog, store, entities, features, as_of or datetime.now(UTC))

    def historical(
        self,
        rows: Frame,
        features: Sequence[str],
        *,
        as_of: AsOf | None = None,
        as_known_at: datetime | None = None,
        views: Sequence[FeatureView] = (),
    ) -> Frame:
        """Each row with the feature values as known at its time: a training set.

        Parameters
        ----------
        rows : pandas.DataFrame, pyarrow.Table or sequence of mapping
            A column for each join key of the features' views, and ``asked_at``: timestamps, with a zone or in UTC.
        features : sequence of str
            ``view.feature`` each.
        as_of : str, datetime or mapping, optional
            The data to read, by default what counts now; see `headwater.features.service.Features.historical`.
        as_known_at : datetime, optional
            Build the frame as at this time: without data and rows that became known later.
        views : sequence of FeatureView
            Definitions to try in place of the declared ones. They aren't deployed and don't go online. Their sources
            must be sources of materialised views.

        Returns
        -------
        pandas.DataFrame, pyarrow.Table or list of dict
            As given, with a column ``view__feature`` for each feature.

        Raises
        ------
        UnknownView, NeverMaterialised, UnknownFeature
        InvalidEntityRows
            Keys or times are missing or of the wrong type.
        BadTarget
            The packages that read the lake aren't installed.
        """
        return join(self._catalog, self._lake, rows, features, as_of=as_of, as_known_at=as_known_at, views=views)

    def ingest(
        self,
        view: str,
        rows: Table,
        *,
        progress: Callable[[int], None] = lambda _: None,
        pause: Callable[[float], None] = time.sleep,
    ) -> Ingested:
        """Stream rows through the API. The rows are online when the call returns.

        Rows are sent in requests of at most 500. Throttled, failed and lost requests are sent again, which is safe: a
        row that comes twice changes nothing. Refused rows are left out; the other rows of their request are sent.

        Parameters
        ----------
        view : str
        rows : pandas.DataFrame, pyarrow.Table, sequence or iterator of mapping
            A column for each join key of the view, ``event_time`` (UTC unless it has an offset), ``available_time`` if
            it is later, and features. An absent feature, None or NaN is missing.
        progress : callable, optional
            Called with the number of rows that were handled since the last call.
        pause : callable, optional
            Called with seconds before a request is sent again.

        Returns
        -------
        Ingested
            How many rows were taken, how many online items they changed, and which rows were refused and why.

        Raises
        ------
        NotDeclared
            The stack has no such view.
        BadFrame
            The rows are no table.
        RowsRefused
            None of the first rows was taken. Nothing more was sent.
        ApiRefused, Unreachable
            The API kept failing. Rows that were sent before are online; sending all rows again is safe.
        """
        self._description.require_view(view)
        return ingest(self._connection.api, view, rows_of(rows), progress=progress, pause=pause)

    def materialise(
        self,
        view: str | None = None,
        *,
        full: bool = False,
        progress: Progress = lambda _: None,
    ) -> tuple[Materialised, ...]:
        """Bring values online now, and wait for the end. Ingestions and schedules do the same by themselves.

        Calls the deployed function, and calls it again if its time ran out.

        Parameters
        ----------
        view : str, optional
            By default every view, and older definitions that serving models look up.
        full : bool
            Whether to write every entity of ``view``, also unchanged ones. Needed after the table was restored from a
            backup.
        progress : callable, optional
            Called after each call of the function with the answer so far, view by view.

        Returns
        -------
        tuple of Materialised
            A result for each view.

        Raises
        ------
        NotDeclared
            The stack has no such view.
        BadTarget
            A full run needs the name of one view.
        MaterialisationFailed
            The function failed. Written items stay; another call resumes the run.
        """
        if view is not None:
            self._description.require_view(view)
        elif full:
            raise BadTarget("a full run is of one view: name it", next_steps=["headwater features list"])
        event = {} if view is None else {"view": view, "full": full}
        return materialise(self._connection.clients, f"{self._description.prefix}features-materialise", event, progress)

    def compute(self, view: str, *, again: bool = False) -> str:
        """Let Spark compute a view's rows for the current data. Returns the run's name.

        The stack starts such runs by itself when rows are missing; this call is for repeating a failed run.

        Parameters
        ----------
        view : str
        again : bool
            Whether to try once more where the last run failed.

        Raises
        ------
        UnknownView, NeverMaterialised
        SparkFailed
            The last run failed, and `again` isn't set.
        BadTarget
            The stack runs no Spark, or the packages that read the lake aren't installed.
        """
        if not self._description.spark_arn:
            raise BadTarget(
                f"stack {self._description.name!r} runs no Spark",
                next_steps=["pulumi config set headwater:spark true", "deploy"],
            )
        with needed("the lake is read by DuckDB"):
            from headwater.features.spark.runs import SparkRuns
        definition = self._catalog.current(view)
        version = self._lake(self._catalog.catalog([view])).pin(definition.view.sources)
        return SparkRuns(self._description.spark_arn, self._connection.clients).start(
            definition.view, version, again=again
        )

    def parity(self, view: str | None = None) -> tuple[ViewParity, ...]:
        """Compare a sample of online items with the offline rows, as the stack does once a day.

        Parameters
        ----------
        view : str, optional
            By default every declared view that was materialised, and older definitions that serving models look up.

        Raises
        ------
        UnknownView, NeverMaterialised
        BadTarget
            The packages that read the lake aren't installed.
        """
        with needed("offline rows are read by DuckDB"):
            from headwater.monitoring.parity import Parity
        unchecked = (State.NEVER, State.RETIRED)
        names = [view] if view else [entry.view for entry in self.list() if entry.state not in unchecked]
        declared = self._catalog.catalog(names)
        online = OnlineStore(self._description.features_table, self._connection.clients)
        served = frozenset if view else self._catalog.served
        return Parity(declared, self._lake(declared), online, self._connection.table, served=served).check()

    def skew(self, model: str, day: date | None = None, *, limit: int = 1000) -> Skew:
        """The share of logged predictions whose feature values differ from those that training would have seen.

        Parameters
        ----------
        model : str
        day : date, optional
            Day of the requests, UTC; by default the last day with requests.
        limit : int
            Most requests that are compared, spread over the day.

        Raises
        ------
        NothingLogged
            The model had no requests on that day, or no request looked up features.
        ModelNotRegistered
            There is no such model.
        BadTarget
            The packages that read the lake aren't installed.
        """
        return measure_skew(self._connection, model, day, limit)

    def _lake(self, declared: Catalog) -> Lake:
        with needed("the lake is read by DuckDB and Arrow", "arrow"):
            from headwater.lake.service import Lake
        connection = self._connection
        return Lake(
            declared,
            connection.clients,
            bucket=connection.description.lake_bucket,
            table=connection.table,
            deployed=False,
        )
