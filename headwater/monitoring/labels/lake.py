"""Labels from the lake: the model's own examples, over the sources as they were known at a moment.

Nothing is copied and nothing is set up: the SQL that training learnt from says what happened. A row counts if its
commit was the current one at that moment and its source's ``available_time`` was over.
"""

# ruff: noqa: S608 - what stands in the SQL are names of our own and quoted names
from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any, NamedTuple

import duckdb
import numpy
import pandas

from headwater.declare import Product, catalog
from headwater.features.offline.columns import ASKED
from headwater.features.offline.examples import EXAMPLES, make_examples
from headwater.lake.database import columns_of, quoted
from headwater.lake.service import Lake
from headwater.lake.types import DataVersion, PinnedCommit, dataset_of
from headwater.monitoring.labels.checking import LARGEST, key_inputs
from headwater.monitoring.labels.keys import equal, from_columns, from_json
from headwater.monitoring.labels.types import micros, moment_of
from headwater.monitoring.labels.written import microseconds
from headwater.storage.clients import Clients
from headwater.storage.table import Table
from headwater.versions.refs import Refs
from headwater.versions.types import MAIN

NEAR = timedelta(days=31)
"""An example is a prediction's outcome if it was asked about at most that long before or after."""
NEAR_WITHOUT_TIME = timedelta(days=1)
"""The same where the label keys hold no time: such keys come again."""


class Found(IntEnum):
    """The lake's answer about a prediction."""

    NOTHING = 0
    """No example has its keys."""
    WAITING = 1
    """Its example has no label yet."""
    LABELLED = 2
    AMBIGUOUS = 3
    """Several examples have its keys, and their labels differ."""
    INVALID = 4
    """Its example's label is no number, or neither 0 nor 1 of a classifier."""


class LakeAnswer(NamedTuple):
    """The lake's labels of a frame's rows, in their order."""

    labels: numpy.ndarray[Any, numpy.dtype[numpy.float64]]
    """NaN without one."""
    found: numpy.ndarray[Any, numpy.dtype[numpy.uint8]]
    """`Found`."""


class LakeLabels:
    """Labels of one declaration of a model. Close it.

    Parameters
    ----------
    registry : Table
        The registry table: which commit stood when.
    lake_bucket : str
    product : Product
        The model with its sources, as its version's run kept them.
    clients : Clients
    """

    def __init__(self, registry: Table, lake_bucket: str, product: Product, clients: Clients) -> None:
        declared = catalog([product])
        (name,) = declared.models
        self.model = declared.model(name)
        self.inputs = key_inputs(self.model)
        # The sources are as the model's version declared them, which needn't be what is declared now.
        self._lake = Lake(declared, clients, bucket=lake_bucket, table=registry, deployed=False)
        self._sources = {source: declared.source(source) for source in self.model.examples.sources}
        self._moves = {
            source: [(move.at, move.to) for move in Refs(registry, dataset_of(source)).log("branch", MAIN) if move.to]
            for source in self._sources
        }
        timed = any(entry.kind == "timestamp" for entry in self.inputs)
        self._near = NEAR if timed else NEAR_WITHOUT_TIME
        self._open: ExitStack | None = None
        self._version = ""
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._made: _Made | None = None

    def close(self) -> None:
        """Delete the sources' local files; the next question fetches them again."""
        if self._open is not None:
            self._open.close()
        self._open, self._connection, self._made, self._version = None, None, None, ""

    def data(self, known: datetime) -> DataVersion | None:
        """The commits that stood at a moment; None if a source had none yet."""
        commits = {}
        for source, moves in self._moves.items():
            # The last one, also if a clock went back between two.
            stood = next((to for at, to in reversed(moves) if at <= known), None)
            if stood is None:
                return None
            commits[source] = PinnedCommit(commit=stood, revision=1)
        return DataVersion(commits=commits)

    def of(self, frame: pandas.DataFrame, known: datetime) -> LakeAnswer:
        """The label of each of a frame's predictions (columns ``as_of``, ``inputs``), as known at ``known``.

        Raises
        ------
        InvalidExamples
            The SQL of the examples fails on the sources of then, or lacks a label key.
        """
        answer = LakeAnswer(numpy.full(len(frame), numpy.nan), numpy.zeros(len(frame), dtype=numpy.uint8))
        version = self.data(known)
        if version is None or not len(frame):
            return answer
        connection = self._tables(version)
        asked = microseconds(frame["as_of"])
        logged = pandas.DataFrame({"place": numpy.arange(len(frame)), "as_of": asked, "inputs": frame["inputs"].array})
        connection.register("__frame", logged)
        try:
            connection.execute("CREATE OR REPLACE TEMP TABLE __logged AS SELECT * FROM __frame")
        finally:
            connection.unregister("__frame")
        made = self._examples(connection, known, int(asked.min()), int(asked.max()))
        from_json(connection, "__logged", "__asked", self.inputs)
        found = connection.execute(self._joined(made)).fetchnumpy()
        places = found["place"]
        answer.found[places] = found["found"]
        label: Any = found["label"]
        answer.labels[places] = numpy.ma.filled(label.astype("float64"), numpy.nan)
        return answer

    def changes(self, known: datetime) -> datetime | None:
        """When the next row of the sources that stood at ``known`` becomes available; None if all are, or none has
        such a time. To be asked behind `of`, of the same moment: it reads the files that lie here."""
        found = []
        for source, declared in self._sources.items():
            if self._connection is not None and declared.available_time is not None:
                at = f"CAST({quoted(declared.available_time)} AS TIMESTAMPTZ)"
                ((next_one,),) = self._connection.execute(
                    f"SELECT epoch_us(min({at})) FROM {quoted(_whole(source))} "
                    f"WHERE {at} > make_timestamptz({micros(known)})"
                ).fetchall()
                found += [] if next_one is None else [moment_of(next_one)]
        return min(found, default=None)

    def _tables(self, version: DataVersion) -> duckdb.DuckDBPyConnection:
        """A database with the sources of a data version; the one that is open if it is the same."""
        if self._connection is None or version.id != self._version:
            self.close()
            self._open = ExitStack()
            self._connection = self._open.enter_context(self._lake.tables(version, self._sources))
            for source in self._sources:
                self._connection.execute(f"ALTER VIEW {quoted(source)} RENAME TO {quoted(_whole(source))}")
            self._version = version.id
        return self._connection

    def _examples(self, connection: duckdb.DuckDBPyConnection, known: datetime, first: int, last: int) -> _Made:
        """Make the examples near two moments, as known at a third, unless they are there from before."""
        near = self._near // timedelta(microseconds=1)
        if self._made is not None and self._made.holds(known, first - near, last + near):
            return self._made
        for source, declared in self._sources.items():
            rows = f"CREATE OR REPLACE VIEW {quoted(source)} AS SELECT * FROM {quoted(_whole(source))}"
            if declared.available_time is not None:
                at = quoted(declared.available_time)
                rows += f" WHERE {at} IS NULL OR CAST({at} AS TIMESTAMPTZ) <= make_timestamptz({micros(known)})"
            connection.execute(rows)
        # The frames of a log go forward in time: the next ones find what is made now.
        between = (first - near, last + 2 * near)
        asked = make_examples(connection, self.model, needed=[entry.name for entry in self.inputs], between=between)
        label = quoted(self.model.examples.label)
        kind = columns_of(connection, EXAMPLES)[self.model.examples.label]
        isnt = f" AND NOT isnan({label})" if kind in ("FLOAT", "DOUBLE") else ""
        keep = f"{_number(label, kind)} AS label, {label} IS NOT NULL{isnt} AS told" + (
            f", epoch_us(CAST({ASKED} AS TIMESTAMP)) AS asked" if asked else ""
        )
        single = from_columns(connection, EXAMPLES, "__told", self.inputs, keep)
        right = "label IN (0, 1)" if self.model.task == "classification" else f"abs(label) <= {LARGEST}"
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE __outcomes AS "
            f"SELECT *, told AND NOT coalesce({right}, false) AS wrong FROM __told"
        )
        self._made = _Made(known, *between, asked=asked, single=single)
        return self._made

    def _joined(self, made: _Made) -> str:
        """A query for ``place``, ``label`` and ``found`` of each prediction that meets an example."""
        on = equal(self.inputs, "a", "e", made.single)
        states = (
            f"CASE WHEN bool_or(wrong) THEN {Found.INVALID:d} WHEN count(*) FILTER (WHERE NOT told) > 0 "
            f"THEN {Found.WAITING:d} WHEN min(label) <> max(label) THEN {Found.AMBIGUOUS:d} ELSE {Found.LABELLED:d} END"
        )
        said = f"SELECT place, min(label) AS least, {states} AS found FROM"
        by = "GROUP BY place"
        all_near = f"{said} __asked a JOIN __outcomes e ON {on}"
        if not made.asked:
            query = f"{all_near} {by}"
        else:
            near = self._near // timedelta(microseconds=1)
            exact = f"{said} __asked a JOIN __outcomes e ON {on} AND e.asked = a.as_of {by}"
            # The one that was asked about at that very moment, or else all that are near.
            query = (
                f"WITH exact AS ({exact}), open AS (SELECT * FROM __asked ANTI JOIN exact USING (place)) "
                f"SELECT * FROM exact UNION ALL {said} open a JOIN __outcomes e ON {on} "
                f"AND e.asked BETWEEN a.as_of - {near} AND a.as_of + {near} {by}"
            )
        return f"SELECT place, found, CASE WHEN found = {Found.LABELLED:d} THEN least END AS label FROM ({query})"


class _Made(NamedTuple):
    """Examples that are in the database."""

    known: datetime
    first: int
    last: int
    asked: bool
    single: list[bool]

    def holds(self, known: datetime, first: int, last: int) -> bool:
        """Whether they are what is asked for."""
        return self.known == known and (not self.asked or (self.first <= first and last <= self.last))


def _whole(source: str) -> str:
    return f"__whole_{source}"


def _number(label: str, kind: str) -> str:
    """A label as a float64, exactly; NULL of what is no number."""
    if kind == "BOOLEAN" or kind in ("FLOAT", "DOUBLE", "TINYINT", "SMALLINT", "INTEGER"):
        return f"CAST({label} AS DOUBLE)"
    if kind.startswith("DECIMAL") or kind.endswith(("INT", "INTEGER")):
        return f"CAST(CAST({label} AS VARCHAR) AS DOUBLE)"
    return "CAST(NULL AS DOUBLE)"
