"""Written labels of a model as known at a moment, joined to predictions by DuckDB.

Of several labels of a prediction the one that was observed last counts; of equal moments the one received last. The
same label received again is one. None of this depends on the order in which batches arrived, but for labels that don't
say when they were observed: of those the receipt counts.
"""

# ruff: noqa: S608 - what stands in the SQL are names and numbers of our own, and quoted paths
from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, Self

import duckdb
import numpy
import pandas

from headwater.declare import RequestInput
from headwater.lake.database import connect, literal
from headwater.monitoring.labels.checking import micros_of
from headwater.monitoring.labels.keys import equal, from_json
from headwater.monitoring.labels.settling import UNKNOWN, Array, Met, Settled, settle
from headwater.monitoring.labels.store import BEGINNING, LabelStore
from headwater.monitoring.labels.types import CLOCKS, COLUMNS, RETENTION, micros, unpacked

MEMORY = "1GB"
"""DuckDB's share; what is more goes to disk."""


class WrittenAnswer(NamedTuple):
    """Written labels of a frame's rows, in their order."""

    names: list[str]
    """The sources by code."""
    by_hand: Settled

    @classmethod
    def joined(cls, rows: int, answers: Sequence[tuple[Array, WrittenAnswer]]) -> WrittenAnswer:
        """The answer of rows whose places were asked about apart, by one set of labels."""
        if len(answers) == 1:
            return answers[0][1]
        made = cls(answers[0][1].names if answers else [], Settled.nothing(rows))
        for places, answer in answers:
            for column, found in zip(made.by_hand, answer.by_hand, strict=True):
                column[places] = found
        return made


class WrittenLabels:
    """A model's written labels. Close it, or use it as a context.

    Parameters
    ----------
    store : LabelStore
    model : str
    since : datetime
        Labels that were received more than `RETENTION` earlier are left out: they belong to earlier predictions.
    known : datetime
        Labels that were received later are left out.
    """

    def __init__(self, store: LabelStore, model: str, *, since: datetime, known: datetime) -> None:
        self.known = known
        self._folder = TemporaryDirectory(prefix="headwater-labels-")
        self._connection = connect(Path(self._folder.name, "spill"))
        self._connection.execute(f"SET memory_limit = '{MEMORY}'")
        first = max(since - RETENTION, BEGINNING + CLOCKS) if since > BEGINNING + RETENTION + CLOCKS else BEGINNING
        self.batches = list(store.batches(model, first, known))
        # Numbers whose order doesn't depend on which other batches were read.
        named = sorted((batch.name, micros(batch.received_at)) for batch in self.batches)
        self._first = {name: place << 32 for place, (name, _) in enumerate(named)}
        self._received: Array = numpy.array([received for _, received in named], dtype="int64")
        self.gone: list[str] = []
        """Batches that count and that somebody deleted."""
        self._load(store)
        self._keyed: tuple[RequestInput, ...] | None = None
        self._watches = False
        self.met: Array = numpy.zeros(0, dtype="int64")
        """Numbers of the labels that predictions met last."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete the local files."""
        self._connection.close()
        self._folder.cleanup()

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """A database with the table ``__labels``: the fields of `Label`, ``received`` and ``number``."""
        return self._connection

    def history(self, prediction: str | None, limit: int) -> list[tuple[Any, ...]]:
        """The newest labels in the order of their receipt, or those of one prediction: fields of `Label`, ``received``
        and whether the label counts.

        Those of a prediction are the ones that name its id, and the ones that `of` met last.
        """
        mine, target = "true", "coalesce(prediction_id, keys || as_of)"
        if prediction is not None:
            mine, target = f"prediction_id = {literal(prediction)} OR number IN (SELECT number FROM __last)", "1"
        self._connection.register("__last", pandas.DataFrame({"number": self.met}))
        found = self._connection.execute(
            f"""
            WITH mine AS (SELECT *, {target} AS target FROM __labels WHERE {mine}),
            ranked AS (
                SELECT *, row_number() OVER (
                    PARTITION BY target, write_id, IF(write_id IS NULL, (value, observed_at, source), NULL)
                    ORDER BY received, number
                ) = 1 AS first FROM mine
            ),
            counted AS (
                SELECT *, first AND row_number() OVER (
                    PARTITION BY target, first ORDER BY coalesce(observed_at, received) DESC, received DESC, number DESC
                ) = 1 AS counts FROM ranked
            )
            SELECT {", ".join(COLUMNS)}, received, counts FROM counted ORDER BY received DESC, number DESC LIMIT {limit}
            """
        ).fetchall()
        return list(reversed(found))

    def watch_unmatched(self, since: datetime, until: datetime) -> None:
        """Note the labels received from ``since`` to before ``until``; `of` strikes off what meets a prediction."""
        self._connection.execute(
            "CREATE OR REPLACE TEMP TABLE __open AS SELECT number, received FROM __labels "
            f"WHERE received >= {micros(since)} AND received < {micros(until)}"
        )
        self._watches = True

    def go_on_watching(self, other: WrittenLabels) -> None:
        """Note what ``other`` has noted and not struck off."""
        if other._watches:
            left = other._connection.execute("SELECT * FROM __open").fetchnumpy()
            self._connection.register("__left", pandas.DataFrame(left))
            self._connection.execute("CREATE OR REPLACE TEMP TABLE __open AS SELECT * FROM __left")
            self._connection.unregister("__left")
            self._watches = True

    def unmatched(self, before: datetime) -> tuple[int, int]:
        """How many noted labels met no prediction, and how many of them were received before a moment."""
        ((rows, old),) = self._connection.execute(
            f"SELECT count(*), count(*) FILTER (WHERE received < {micros(before)}) FROM __open"
        ).fetchall()
        return int(rows), int(old)

    def _load(self, store: LabelStore) -> None:
        """Make the view ``__labels`` of all batches."""
        small = [batch for batch in self.batches if batch.kind == "json"]
        rows: list[tuple[Any, ...]] = []
        there = set()
        for batch, body in store.bodies(small):
            there.add(batch.name)
            received, first = micros(batch.received_at), self._first[batch.name]
            rows += [(*label, received, first + place) for place, label in enumerate(unpacked(body))]
        self.gone += [batch.key for batch in small if batch.name not in there]
        columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        self._connection.execute(f"CREATE TABLE __small ({columns}, received BIGINT, number BIGINT)")
        _insert(self._connection, rows)
        named = ", ".join(COLUMNS)
        parts = ["SELECT * FROM __small"]
        for batch in self.batches:
            if batch.kind == "parquet":
                path = Path(self._folder.name, f"{batch.name}.parquet")
                if not store.fetch(batch, path):
                    self.gone.append(batch.key)
                    continue
                parts.append(
                    f"SELECT {named}, {micros(batch.received_at)} AS received, file_row_number + "
                    f"{self._first[batch.name]} AS number FROM "
                    f"read_parquet({literal(str(path))}, file_row_number = true)"
                )
        self._connection.execute(f"CREATE VIEW __labels AS {' UNION ALL '.join(parts)}")
        self._connection.execute(
            "CREATE TABLE __sources AS SELECT source, CAST(row_number() OVER (ORDER BY source) - 1 AS INTEGER) AS code "
            "FROM (SELECT DISTINCT source FROM __labels)"
        )
        found = self._connection.execute("SELECT source FROM __sources ORDER BY code").fetchall()
        self._names = [name for (name,) in found]
        ((ids,),) = self._connection.execute("SELECT count(write_id) FROM __labels").fetchall()
        self._has_ids = bool(ids)

    def of(self, frame: pandas.DataFrame, inputs: Sequence[RequestInput]) -> WrittenAnswer:
        """The label of each of a frame's predictions (columns ``prediction_id``, ``as_of``, ``inputs``).

        Parameters
        ----------
        frame : DataFrame
        inputs : sequence of RequestInput
            The label keys.
        """
        rows, connection = len(frame), self._connection
        if not self.batches or not rows:
            return WrittenAnswer(self._names, Settled.nothing(rows))
        asked, places = microseconds(frame["as_of"]), numpy.arange(rows, dtype="int32")
        oldest = numpy.minimum(asked, microseconds(frame["received_at"])) if "received_at" in frame else asked
        columns = {"place": places, "prediction_id": frame["prediction_id"].array}
        connection.register("__frame", pandas.DataFrame(columns, copy=False))
        logged = pandas.DataFrame({"place": places, "as_of": asked, "inputs": frame["inputs"].array}, copy=False)
        try:
            met = self._met(self._meet(logged, inputs), asked, oldest - micros_of(RETENTION))
        finally:
            connection.unregister("__frame")
        self.met = met.number
        if self._watches and len(met.number):
            connection.register("__struck", pandas.DataFrame({"number": met.number}))
            connection.execute("DELETE FROM __open WHERE number IN (SELECT number FROM __struck)")
            connection.unregister("__struck")
        return WrittenAnswer(self._names, settle(met, rows))

    def _meet(self, logged: pandas.DataFrame, inputs: Sequence[RequestInput]) -> dict[str, Any]:
        """Each label of each prediction, by as few columns as tell it: what comes out of a join costs most of it."""
        connection = self._connection
        shown = f"SELECT p.place, l.value, coalesce(l.observed_at, {UNKNOWN + 1} - 1) AS observed, l.number"
        shown += f"{', s.code AS source' if len(self._names) > 1 else ''}{', l.write_id' if self._has_ids else ''} FROM"
        sources = " JOIN __sources s ON l.source = s.source" if len(self._names) > 1 else ""
        by_id = f"{shown} __labels l JOIN __frame p ON l.prediction_id = p.prediction_id{sources}"
        if not self._keys(inputs):
            return connection.execute(by_id).fetchnumpy()
        connection.register("__logged", logged)
        try:
            # Only what was asked about at a moment that some label names.
            connection.execute(
                "CREATE OR REPLACE TEMP TABLE __candidates AS SELECT * FROM __logged "
                "WHERE as_of IN (SELECT as_of FROM __keyed)"
            )
        finally:
            connection.unregister("__logged")
        from_json(connection, "__candidates", "__asked", inputs)
        by_keys = f"{shown} __keyed l JOIN __asked p ON l.as_of = p.as_of AND {equal(inputs, 'l', 'p')}{sources}"
        return connection.execute(f"{by_id} UNION ALL {by_keys}").fetchnumpy()

    def _met(self, found: dict[str, Any], asked: Array, oldest: Array) -> Met:
        """The labels of a query that waited for their prediction no longer than labels wait.

        Parameters
        ----------
        found : dict of array
            As `_meet` gives them.
        asked, oldest : array
            Of each prediction the moment that it was asked about, and since when a label of it may be received.
        """
        place, value, observed, number = (
            numpy.ma.getdata(found[name]) for name in ("place", "value", "observed", "number")
        )
        nobody: Any = numpy.full(len(place), -1, dtype="int32")
        write = nobody
        if "write_id" in found:
            write = pandas.factorize(numpy.ma.filled(found["write_id"].astype(object), None))[0]
        source = numpy.ma.getdata(found["source"]) if "source" in found else nobody + 1
        received = self._received[number >> 32]
        # What is observed at its receipt can't be judged by a clock.
        early = (observed < (asked - micros_of(CLOCKS))[place]) & (observed != UNKNOWN)
        met = Met(place, value, observed, received, source, write, number, early)
        if self._received.min() >= oldest.max():
            return met
        waited = received < oldest[place]
        return met.some(numpy.flatnonzero(~waited)) if waited.any() else met

    def _keys(self, inputs: Sequence[RequestInput]) -> bool:
        """Make the table ``__keyed`` of the labels that name a prediction by its inputs; whether there are any."""
        if self._keyed != tuple(inputs):
            self._connection.execute(
                "CREATE OR REPLACE TEMP TABLE __by_keys AS "
                "SELECT * RENAME (keys AS inputs) FROM __labels WHERE keys IS NOT NULL"
            )
            from_json(self._connection, "__by_keys", "__keyed", inputs)
            self._keyed = tuple(inputs)
        return bool(self._connection.execute("SELECT count(*) FROM __keyed").fetchall()[0][0])


def _insert(connection: duckdb.DuckDBPyConnection, rows: Iterable[tuple[Any, ...]]) -> None:
    cells = list(zip(*rows, strict=True))
    if not cells:
        return
    names = [*COLUMNS, "received", "number"]
    whole = ("as_of", "observed_at")
    # As objects with gaps pandas would make floats of whole numbers.
    frame = pandas.DataFrame(
        {name: pandas.array(cells[place], dtype="Int64") if name in whole else pandas.Series(cells[place], dtype=object)
         for place, name in enumerate(names)}
    )  # fmt: skip
    connection.register("__rows", frame)
    try:
        connection.execute("INSERT INTO __small SELECT * FROM __rows")
    finally:
        connection.unregister("__rows")


def microseconds(times: pandas.Series[Any]) -> Array:
    """Times of a frame in microseconds since 1970."""
    found: Array = times.dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[us]").astype("int64").to_numpy()
    return found
