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
from headwater.monitoring.labels.store import BEGINNING, LabelStore
from headwater.monitoring.labels.types import CLOCKS, COLUMNS, RETENTION, micros, unpacked

MEMORY = "1GB"
"""DuckDB's share; what is more goes to disk."""
_COUNTS = ("observed", "received", "first", "count", "early")
Array = numpy.ndarray[Any, numpy.dtype[Any]]


class WrittenAnswer(NamedTuple):
    """Written labels of a frame's rows, in their order. Times are microseconds since 1970, 0 without a label."""

    labels: Array
    """float64, NaN without one."""
    sources: Array
    """Places in ``names``; -1 without a label."""
    names: list[str]
    observed: Array
    received: Array
    """When the label that counts was received first."""
    first: Array
    """When the first label of the prediction was received."""
    count: Array
    """Labels that aren't the same."""
    conflict: Array
    """Whether two sources' latest labels differ."""
    early: Array
    """Labels that were observed before the moment that was asked about: none of them counts."""

    @classmethod
    def nothing(cls, rows: int) -> Self:
        """The answer of rows without any label."""
        zeros = {name: numpy.zeros(rows, dtype="int64") for name in _COUNTS}
        nobody = numpy.full(rows, -1, dtype="int64")
        return cls(numpy.full(rows, numpy.nan), nobody, [], conflict=numpy.zeros(rows, dtype=bool), **zeros)

    @classmethod
    def joined(cls, rows: int, answers: Sequence[tuple[Array, WrittenAnswer]]) -> WrittenAnswer:
        """The answer of rows whose places were asked about apart."""
        if len(answers) == 1:
            return answers[0][1]
        made = cls.nothing(rows)
        for places, answer in answers:
            made.sources[places] = numpy.where(answer.sources >= 0, answer.sources + len(made.names), -1)
            made.names.extend(answer.names)
            for name in ("labels", "conflict", *_COUNTS):
                getattr(made, name)[places] = getattr(answer, name)
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
        self.gone: list[str] = []
        """Batches that count and that somebody deleted."""
        self._load(store)
        self._keyed: tuple[RequestInput, ...] | None = None
        self._watches = False

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
            mine, target = f"prediction_id = {literal(prediction)} OR number IN (SELECT number FROM __met)", "1"
        self._connection.execute("CREATE TEMP TABLE IF NOT EXISTS __met AS SELECT '' AS number LIMIT 0")
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
            rows += [(*label, micros(batch.received_at), f"{batch.name}.{place}") for place, label in
                     enumerate(unpacked(body))]  # fmt: skip
        self.gone += [batch.key for batch in small if batch.name not in there]
        columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        self._connection.execute(f"CREATE TABLE __small ({columns}, received BIGINT, number VARCHAR)")
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
                    f"SELECT {named}, {micros(batch.received_at)} AS received, {literal(batch.name)} || '.' || "
                    f"file_row_number AS number FROM read_parquet({literal(str(path))}, file_row_number = true)"
                )
        self._connection.execute(f"CREATE VIEW __labels AS {' UNION ALL '.join(parts)}")

    def of(self, frame: pandas.DataFrame, inputs: Sequence[RequestInput]) -> WrittenAnswer:
        """The label of each of a frame's predictions (columns ``prediction_id``, ``as_of``, ``inputs``).

        Parameters
        ----------
        frame : DataFrame
        inputs : sequence of RequestInput
            The label keys.
        """
        rows, connection = len(frame), self._connection
        answer = WrittenAnswer.nothing(rows)
        if not self.batches or not rows:
            return answer
        asked, places = microseconds(frame["as_of"]), numpy.arange(rows, dtype="int32")
        oldest = numpy.minimum(asked, microseconds(frame["received_at"])) if "received_at" in frame else asked
        shown = {"place": places, "as_of": asked, "oldest": oldest - micros_of(RETENTION)}
        connection.register("__frame", pandas.DataFrame({**shown, "prediction_id": frame["prediction_id"].array}))
        try:
            self._meet(pandas.DataFrame({**shown, "inputs": frame["inputs"].array}), inputs)
        finally:
            connection.unregister("__frame")
        if self._watches:
            connection.execute("DELETE FROM __open WHERE number IN (SELECT number FROM __met)")
        return self._settled(answer)

    def _meet(self, logged: pandas.DataFrame, inputs: Sequence[RequestInput]) -> None:
        """Make the table ``__met``: each label of each prediction."""
        connection = self._connection
        shown = "p.place, l.value, l.observed_at, l.source, l.write_id, l.received, l.number"
        # What is observed at its receipt can't be judged by a clock.
        shown += f", coalesce(l.observed_at < p.as_of - {micros_of(CLOCKS)}, false) AS early"
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE __met AS SELECT {shown} "
            "FROM __labels l JOIN __frame p ON l.prediction_id = p.prediction_id AND l.received >= p.oldest"
        )
        if not self._keys(inputs):
            return
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
        connection.execute(
            f"INSERT INTO __met SELECT {shown} FROM __keyed l JOIN __asked p "
            f"ON l.as_of = p.as_of AND l.received >= p.oldest AND {equal(inputs, 'l', 'p')}"
        )

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

    def _settled(self, answer: WrittenAnswer) -> WrittenAnswer:
        """What counts of ``__met``, by place."""
        connection = self._connection
        connection.execute("CREATE OR REPLACE TEMP TABLE __names AS SELECT DISTINCT source FROM __met ORDER BY source")
        names = [row[0] for row in connection.execute("SELECT source FROM __names").fetchall()]
        several = "SELECT place FROM __met GROUP BY place HAVING count(*) > 1"
        connection.execute(f"CREATE OR REPLACE TEMP TABLE __several AS {several}")
        code = "(SELECT list(source ORDER BY source) FROM __names)"
        alone = (
            "SELECT place, IF(early, NULL, value) AS value, "
            f"IF(early, -1, list_position({code}, source) - 1) AS source, "
            "coalesce(observed_at, received) AS observed, received, received AS first, IF(early, 0, 1) AS count, "
            "false AS conflict, CAST(early AS INTEGER) AS early FROM __met ANTI JOIN __several USING (place)"
        )
        self._put(answer, connection.execute(alone).fetchnumpy())
        self._put(answer, connection.execute(_several(code)).fetchnumpy())
        return answer._replace(names=names)

    def _put(self, answer: WrittenAnswer, found: dict[str, Any]) -> None:
        places = found["place"]
        if not len(places):
            return
        answer.labels[places] = numpy.ma.filled(found["value"].astype("float64"), numpy.nan)
        answer.sources[places] = numpy.ma.filled(found["source"], -1)
        for name in ("conflict", *_COUNTS):
            getattr(answer, name)[places] = numpy.ma.filled(found[name], 0)


def _several(code: str) -> str:
    """A query for the places that several labels stand at: which of them counts.

    Of labels with one ``write_id`` the first is kept, and of labels that say the same (in all that they say) too.
    """
    oldest = "ORDER BY received, number"
    return f"""
        WITH mine AS (SELECT m.* FROM __met m SEMI JOIN __several USING (place)),
        once AS (
            SELECT * FROM mine WHERE write_id IS NULL
            QUALIFY row_number() OVER (PARTITION BY place, value, observed_at, source {oldest}) = 1
            UNION ALL
            SELECT * FROM mine WHERE write_id IS NOT NULL
            QUALIFY row_number() OVER (PARTITION BY place, write_id {oldest}) = 1
        ),
        dated AS (SELECT *, coalesce(observed_at, received) AS observed FROM once),
        ranked AS (
            SELECT *, row_number() OVER (
                PARTITION BY place, source ORDER BY observed DESC, received DESC, number DESC
            ) AS nth
            FROM dated WHERE NOT early
        ),
        settled AS (
            SELECT place, arg_max(value, (observed, received, number)) AS value,
                arg_max(source, (observed, received, number)) AS source,
                max(observed) AS observed, arg_max(received, (observed, received, number)) AS received,
                min(received) AS first, count(*) AS count,
                min(value) FILTER (WHERE nth = 1) <> max(value) FILTER (WHERE nth = 1) AS conflict
            FROM ranked GROUP BY place
        ),
        unused AS (SELECT place, count(*) FILTER (WHERE early) AS early FROM once GROUP BY place)
        SELECT place, value, list_position({code}, source) - 1 AS source, observed, received, first,
            coalesce(count, 0) AS count, coalesce(conflict, false) AS conflict, unused.early AS early
        FROM unused LEFT JOIN settled USING (place)
    """


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
