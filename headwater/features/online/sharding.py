"""Materialises a view shard by shard, each in a process of its own: split, write each shard, finish.

Any step may run twice, late or beside another run: an item only ever gives way to a newer value. Once others have
completed the run, or a run of newer data is in progress, every step does nothing. Only a full run always does its work,
since a run of newer data writes changed rows alone and doesn't restore items that a table lost.
"""

# ruff: noqa: S608 - names in SQL are our own
from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import duckdb

from headwater.declare import FeatureView
from headwater.features.definitions import Definitions
from headwater.features.errors import MaterialisationStuck
from headwater.features.offline.rows import Ensure, ToRead
from headwater.features.online.completing import Counted, complete
from headwater.features.online.pending_rows import DUE, count, find, writes
from headwater.features.online.progress import ProgressOf, Run
from headwater.features.online.store import OnlineStore
from headwater.lake.database import connect, literal, write_parquet
from headwater.lake.service import Lake
from headwater.lake.store import Objects
from headwater.settings import LakeSettings
from headwater.storage.clients import Clients
from headwater.storage.table import Table
from headwater.values import Pointer, Value

PREFIX = "features/online-shards/"
"""Prefix of shards until they expire. No view has this name, since a name has no hyphen."""
SHARD_ENTITIES = 1_000_000


class Assignment(Value):
    """Input of an execution of the machine."""

    view: str
    version: str
    """Version of the view's definition."""
    run: Run


class Shard(Value):
    """A part of the entities that are due; together the shards of a run are all of them."""

    view: str
    version: str
    run: Run
    rows: Pointer
    """Parquet, in the order of the join keys."""
    entities: int


class Split(Value):
    """A run in shards."""

    shards: int = 0
    entities: int = 0
    """Pending entities of all shards together."""
    manifest: Pointer | None = None
    """A JSON array of `Shard`; None if the run needn't go on."""
    counted: Counted = Counted()


class Written(Value):
    """Result of a shard."""

    written: int = 0
    """Online items that the shard's writes changed."""
    needed: bool = True
    """False if the run needn't go on, and nothing was done."""


class Finished(Value):
    """Result of a run."""

    view: str
    version: str
    data_version: str
    entities: int
    written: int
    complete: bool
    """False if other processes completed the run, or the run gave way to newer data."""


@dataclass(frozen=True)
class Sharding:
    """The three steps of a run that is too large for one process."""

    registry: Table
    """The registry table."""
    objects: Objects
    """The lake's."""

    @classmethod
    def from_settings(cls, settings: LakeSettings, clients: Clients) -> Self:
        """The steps over the table and the lake that ``settings`` name."""
        return cls(Table(settings.registry_table, clients), Objects(settings.lake_bucket, clients))

    def split(
        self,
        given: Assignment,
        view: FeatureView,
        lake: Lake,
        ensure: Ensure,
        to_read: ToRead,
        *,
        shard_entities: int = SHARD_ENTITIES,
    ) -> Split:
        """Write the pending rows in shards, and a list of the shards.

        Parameters
        ----------
        given : Assignment
        view : FeatureView
            Of the version that is assigned.
        lake : Lake
        ensure : callable
            Makes the table of a view's offline rows (`headwater.features.service.Features.ensure`).
        to_read : callable
            Names the data that the table needs (`headwater.features.service.Features.to_read`).
        shard_entities : int
            Entities in a shard, but for the last.

        Raises
        ------
        NoData, InvalidView, NeedsSpark
            The view's rows can't be had.
        MaterialisationStuck
            The shards lack rows.
        """
        known = self._progress(given).read()
        run = known.wanted(given.run)
        if run is None:
            return Split()
        # As at the start of a run: a row that is the same in all other runs is online already, or will be.
        others = [other for other in known.in_progress if other.id != run.id]
        baselines = [] if run.full or not known.completed else [known.completed, *others]
        # Another try has another folder: the shards of one list are never replaced.
        folder = f"{PREFIX}{view.name}/{view.version}/{run.data_version[:12]}-{secrets.token_hex(8)}"
        needed = to_read([view], run.version)
        with lake.tables(run.version, needed) as connection, TemporaryDirectory(prefix="headwater-split-") as scratch:
            counted = count(connection, view, ensure(connection, view, run.version), run)
            due = find(connection, self.objects, view, run, baselines)
            shards = [
                Shard(view=view.name, version=view.version, run=given.run, rows=rows, entities=entities)
                for rows, entities in self._shards(connection, due, shard_entities, folder, Path(scratch))
            ]
            if (found := sum(shard.entities for shard in shards)) != due:
                raise MaterialisationStuck(f"feature view {view.name!r}: {found:,} of {due:,} entities are in shards")
            listed = Path(scratch, "manifest.json")
            listed.write_text(json.dumps([shard.model_dump(mode="json") for shard in shards]))
            manifest = self.objects.put(f"{folder}/manifest.json", listed)
        return Split(shards=len(shards), entities=due, manifest=manifest, counted=counted)

    def _shards(
        self, connection: duckdb.DuckDBPyConnection, due: int, size: int, folder: str, scratch: Path
    ) -> Iterator[tuple[Pointer, int]]:
        path = scratch / "shard.parquet"
        for number, first in enumerate(range(0, due, size)):
            # Row numbers of a table are in the order in which it was made: that of the join keys.
            rows = f"SELECT * FROM {DUE} WHERE rowid >= {first} AND rowid < {first + size} ORDER BY rowid"
            entities = write_parquet(connection, rows, path, encodings=2)
            yield self.objects.put(f"{folder}/{number:06}.parquet", path), entities
            path.unlink()

    def write(self, shard: Shard, online: OnlineStore) -> Written:
        """Bring a shard's rows online.

        Raises
        ------
        OnlineStoreBusy
            Throttled until all retries were spent; what was written stays, and doing the shard again does the rest.
        VersionGone
            The shard expired.
        InvalidView, ItemTooLarge
            An entity's key or values don't fit an item.
        """
        if self._progress(shard).read().wanted(shard.run) is None:
            return Written(needed=False)
        view = Definitions(self.registry).definition(shard.view, shard.version).view
        with self._rows(shard) as (connection, rows):
            return Written(written=online.write(shard.version, writes(connection, view, shard.run.revision, rows)))

    @contextmanager
    def _rows(self, shard: Shard) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
        with TemporaryDirectory(prefix="headwater-shard-") as scratch:
            path = Path(scratch, "rows.parquet")
            self.objects.fetch(shard.rows, path)
            connection = connect(Path(scratch, "spill"))
            try:
                yield connection, f"read_parquet({literal(str(path))})"
            finally:
                connection.close()

    def finish(self, given: Assignment, split: Split, written: int) -> Finished:
        """Record a run, all of whose shards are written, as completed; raises `RegistryBusy`."""
        run = self._progress(given).read().wanted(given.run) if split.manifest else None
        if run is not None:
            complete(self.registry, given.view, given.version, run, split.counted, written)
        return Finished(
            view=given.view,
            version=given.version,
            data_version=given.run.data_version,
            entities=split.counted.entities,
            written=written,
            complete=run is not None,
        )

    def _progress(self, given: Assignment | Shard) -> ProgressOf:
        return ProgressOf(self.registry, given.view, given.version)
