"""A view's rows computed by Spark: starting a run, and the run's steps before and after Spark."""

# ruff: noqa: S608 - paths in SQL are our own
from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from headwater.declare import Catalog, FeatureView
from headwater.features.definitions import Definitions
from headwater.features.errors import InvalidView, SparkFailed
from headwater.features.offline.checks import check_values
from headwater.features.offline.columns import AVAILABLE, EVENT
from headwater.features.offline.engine import DuckDB
from headwater.features.offline.rows import offline_key
from headwater.features.spark.jobs import Files, Job, Order, Outcome, pointer_of, url_of
from headwater.lake.database import columns_of, connect, literal, write_parquet
from headwater.lake.refusal import one_line
from headwater.lake.service import Lake
from headwater.lake.types import DataVersion
from headwater.settings import LakeSettings
from headwater.storage.clients import Clients
from headwater.storage.executions import Executions
from headwater.storage.table import Table
from headwater.values import Pointer

SCRATCH = "spark/"
"""Prefix in the lake of a run's job, parts and outcome. Kept rows lie elsewhere."""
_OVER = frozenset({"FAILED", "TIMED_OUT", "ABORTED"})


class SparkRuns:
    """Runs of the machine that lets Spark compute rows: one for a definition and its data.

    A view has one run at a time. A run that ends after newer data came starts the next run. A failed run isn't
    repeated by itself: rows that Spark can't compute would be tried, and paid for, every hour.

    Parameters
    ----------
    arn : str
        The state machine.
    clients : Clients
    """

    def __init__(self, arn: str, clients: Clients) -> None:
        self._executions = Executions(arn, clients)

    def start(self, view: FeatureView, version: DataVersion, *, again: bool = False) -> str:
        """Have the rows of ``view`` for ``version`` computed unless a run exists already. Returns the run's name.

        Parameters
        ----------
        view : FeatureView
        version : DataVersion
            Of the view's sources, and maybe more.
        again : bool
            Whether to start another run where the last one failed.

        Raises
        ------
        SparkFailed
            The last run failed.
        """
        name = last = run_name(view, version)
        attempt, failed = 1, ""
        while (standing := self._executions.standing(name)) is not None:
            last, (status, cause) = name, standing
            how = status.lower().replace("_", " ")
            failed = f"run {name} {how}: {one_line(cause) or 'it said nothing'}" if status in _OVER else ""
            attempt += 1
            name = f"{run_name(view, version)}-{attempt}"
        if attempt > 1 and not failed:
            return last
        if failed and not again:
            raise SparkFailed(
                f"feature view {view.name!r}: Spark couldn't compute its rows: {failed}",
                next_steps=[f"headwater features compute {view.name} --again"],
            )
        if other := self._executions.running(f"{view.name}-"):
            return other
        # Another caller who starts the run at this moment starts the same execution.
        self._executions.start(name, Order.of(view, version).model_dump(mode="json"))
        return name


def run_name(view: FeatureView, version: DataVersion) -> str:
    """Name of the first run for these rows. Streamed rows don't count, since Spark doesn't compute them."""
    return f"{view.name}-{hashlib.sha256(offline_key(view, version.only(view.sources)).encode()).hexdigest()[:20]}"


@dataclass(frozen=True)
class SparkSteps:
    """The steps of a run before and after Spark."""

    catalog: Catalog
    lake: Lake
    """Holds what is read and what is kept."""
    definitions: Definitions
    """Definitions of views that aren't declared any more."""

    @classmethod
    def from_settings(cls, catalog: Catalog, settings: LakeSettings, clients: Clients) -> Self:
        """The steps over the lake and the table that ``settings`` name."""
        return cls(
            catalog,
            Lake.from_settings(catalog, settings, clients),
            Definitions(Table(settings.registry_table, clients)),
        )

    def describe(self, order: Order, run: str) -> str | None:
        """Write the job of a run. Returns the job's URL, or None if the rows are kept already.

        Raises
        ------
        UnknownViewVersion
            The view was never declared like that.
        """
        view, version = self._view(order), order.data
        if self.lake.objects.newest(offline_key(view, version)) is not None:
            return None
        job = Job(
            sources={
                source: Files(paths=tuple(map(url_of, pointers)), keys=self.catalog.source(source).keys)
                for source, pointers in self.lake.files(version).items()
            },
            views=(view,),
            offline=self._url(order, run, "offline"),
            outcome=self._url(order, run, "outcome.json"),
        )
        with TemporaryDirectory(prefix="headwater-job-") as scratch:
            path = Path(scratch, "job.json")
            path.write_text(job.model_dump_json())
            return url_of(self.lake.objects.put(_key(order, run, "job.json"), path))

    def keep(self, order: Order, run: str, failure: Mapping[str, Any] | None = None) -> int:
        """Keep the rows that Spark wrote as the view's rows. Returns their number.

        Parameters
        ----------
        order : Order
        run : str
        failure : mapping, optional
            Step Functions' reason for the job's failure, used if the job left no outcome.

        Raises
        ------
        InvalidView
            The view can't be computed, or the rows fail a check.
        SparkFailed
            The job died before it could say why.
        """
        view = self._view(order)
        outcome = self._outcome(order, run)
        if outcome is None:
            said = one_line((failure or {}).get("Cause")) or "no outcome was written"
            raise SparkFailed(f"feature view {view.name!r}: Spark failed without a word of its own: {said}")
        if outcome.error:
            kind = InvalidView if outcome.error == InvalidView.__name__ else SparkFailed
            said = outcome.message
            raise kind(said if kind is InvalidView else f"feature view {view.name!r}: {outcome.error}: {said}")
        with TemporaryDirectory(prefix="headwater-keep-") as scratch:
            pinned = [pointer for path in outcome.parts[view.name] if (pointer := pointer_of(path))]
            parts = [Path(scratch, f"{number:06}.parquet") for number in range(len(pinned))]
            with ThreadPoolExecutor(8, thread_name_prefix="parts") as pool:
                list(pool.map(self.lake.objects.fetch, pinned, parts))
            return self._keep(view, order.data, parts, Path(scratch))

    def _keep(self, view: FeatureView, version: DataVersion, parts: list[Path], scratch: Path) -> int:
        wanted = [*view.entity, EVENT, AVAILABLE, *(feature.name for feature in view.features)]
        with connect(scratch / "spill") as connection:
            names = ", ".join(literal(str(part)) for part in parts)
            connection.execute(f"CREATE VIEW rows AS SELECT * FROM read_parquet([{names}])")
            if (columns := list(columns_of(connection, "rows"))) != wanted:
                raise InvalidView(
                    f"feature view {view.name!r}: Spark left {', '.join(columns)}, expected {', '.join(wanted)}"
                )
            check_values(DuckDB(connection), view, "rows")
            path = scratch / "rows.parquet"
            write_parquet(connection, "SELECT * FROM rows", path, encodings=2)
            self.lake.objects.put(offline_key(view, version), path)
            return int(connection.execute("SELECT count(*) FROM rows").fetchall()[0][0])

    def _outcome(self, order: Order, run: str) -> Outcome | None:
        found = self.lake.objects.newest(_key(order, run, "outcome.json"))
        return None if found is None else Outcome.model_validate_json(self._read(found))

    def _read(self, pointer: Pointer) -> str:
        with TemporaryDirectory(prefix="headwater-outcome-") as scratch:
            path = Path(scratch, "outcome.json")
            self.lake.objects.fetch(pointer, path)
            return path.read_text()

    def _view(self, order: Order) -> FeatureView:
        return self.definitions.view(self.catalog.views.get(order.view), order.view, order.version)

    def _url(self, order: Order, run: str, name: str) -> str:
        return f"s3://{self.lake.objects.bucket}/{_key(order, run, name)}"


def _key(order: Order, run: str, name: str) -> str:
    return f"{SCRATCH}{order.view}/{run}/{name}"
