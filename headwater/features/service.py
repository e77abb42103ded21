"""The feature store's verbs: offline rows of a view for a data version, and the newest values online."""

# ruff: noqa: S608 - names in SQL are declared by products and quoted
from __future__ import annotations

from collections.abc import Callable, Set
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from headwater.errors import InvalidRequest, NotFound, Refused
from headwater.features.checks import check_values
from headwater.features.counting import keep_statistics
from headwater.features.definitions import Definitions
from headwater.features.engine import DuckDB
from headwater.features.materialising import Doing, Materialised, Materialiser
from headwater.features.offline import compute, offline_key, table_of
from headwater.features.store import OnlineStore
from headwater.lake.database import literal, quoted, write_parquet
from headwater.lake.errors import NoData
from headwater.lake.service import Lake
from headwater.lake.types import DataVersion
from headwater.model import Catalog, FeatureView
from headwater.registry.store import RegistryStore


class Features:
    """Computes, keeps and materialises feature views.

    Parameters
    ----------
    catalog : Catalog
    lake : Lake
        Where the sources' rows come from and the offline rows are kept.
    online : OnlineStore, optional
        Where the newest values go; only `materialise` needs it.
    served : callable, optional
        The views and versions of their definitions that serving models look up (`Uses.served`).
    now : callable
        The time, UTC: what becomes available later isn't materialised yet.
    """

    def __init__(
        self,
        catalog: Catalog,
        lake: Lake,
        *,
        online: OnlineStore | None = None,
        served: Callable[[], Set[tuple[str, str]]] = frozenset,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._catalog = catalog
        self._lake = lake
        self._online = online
        self._served = served
        self._now = now

    def ensure(self, connection: duckdb.DuckDBPyConnection, view: FeatureView, version: DataVersion) -> str:
        """A table of the view's offline rows for ``version``: read if they are kept already, else computed and kept.

        Their statistics are kept with them (`headwater.features.statistics`).

        Parameters
        ----------
        connection : DuckDBPyConnection
            With the version's tables (`Lake.tables`).
        view : FeatureView
        version : DataVersion
            Of the view's sources, and maybe more.

        Returns
        -------
        str
            The table's name.
        """
        key, table = offline_key(view, version), table_of(view)
        known = self._lake.objects.newest(key)
        with TemporaryDirectory(prefix="headwater-features-") as scratch:
            path = Path(scratch) / "rows.parquet"
            if known is not None:
                self._lake.objects.fetch(known, path)
                connection.execute(
                    f"CREATE OR REPLACE TEMP TABLE {quoted(table)} AS SELECT * FROM read_parquet({literal(str(path))})"
                )
                # What is checked may have been declared since.
                check_values(DuckDB(connection), view, table)
            else:
                compute(connection, view, table)
                write_parquet(connection, f"SELECT * FROM {quoted(table)}", path)
                self._lake.objects.put(key, path)
        keep_statistics(self._lake.objects, connection, view, version, table)
        return table

    def materialise_source(self, source: str, doing: Doing = Doing()) -> list[Materialised]:
        """Materialise every view that stands on ``source``; one whose other sources have no data yet has to wait.

        Besides the definitions that are declared now those that a serving model was trained with, as long as they can
        be computed; the answer says which couldn't and why.
        """
        done = []
        for view in self._catalog.views_of(source):
            with suppress(NoData):
                done.append(self.materialise(view.name, doing=doing))
        declared = {(view.name, view.version) for view in self._catalog.views.values()}
        for name, version in sorted(self._served() - declared):
            try:
                view = self._definitions.get(name, version)
                if source in view.sources:
                    done.append(self._materialiser.materialise(view, doing))
            except NoData:
                continue
            except (NotFound, Refused, InvalidRequest) as error:
                done.append(Materialised(view=name, version=version, skipped=error.message))
        return done

    def materialise(self, name: str, *, doing: Doing = Doing()) -> Materialised:
        """Bring the newest available value of each of a view's entities online.

        Only entities whose newest row changed since the last time are written, and if neither data nor what is known
        of them changed nothing is even computed. May run twice, beside itself, or late: an item only ever gives way
        to a newer one, so all orders end the same. One that was killed is taken up where it was.

        Parameters
        ----------
        name : str
            The view, as it is declared now.
        doing : Doing
            Whether to go through all entities, whom to tell, when to stop.

        Raises
        ------
        NoData
            A source of the view has no rows yet.
        OnlineStoreBusy, RegistryBusy
            Throttled until all retries were spent; what was written stays, and running it again does the rest.
        InvalidView, ItemTooLarge
            The view can't be computed, or an entity's values don't fit an item.
        """
        view = self._catalog.view(name)
        self._definitions.remember(view, [self._catalog.source(source) for source in view.sources])
        return self._materialiser.materialise(view, doing)

    @property
    def _registry(self) -> RegistryStore:
        return RegistryStore(self._lake.ledger.table)

    @property
    def _definitions(self) -> Definitions:
        return Definitions(self._registry, now=self._now)

    @property
    def _materialiser(self) -> Materialiser:
        if self._online is None:
            raise ValueError("these features were made without an online store")
        return Materialiser(self._lake, self._online, self._registry, self.ensure, now=self._now)
