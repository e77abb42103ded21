"""Pending rows: which of a view's rows a run has to write online, and their online form."""

# ruff: noqa: S608 - names in SQL are declared by products and quoted
from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC

import duckdb

from headwater.declare import FeatureView
from headwater.features.errors import InvalidView
from headwater.features.offline.columns import AVAILABLE, EVENT, KNOWN
from headwater.features.offline.rows import offline_key
from headwater.features.online.completing import Counted
from headwater.features.online.encoding import pack_all, text_places
from headwater.features.online.progress import Run
from headwater.features.online.reading import online_key
from headwater.features.online.store import OnlineWrite, kept_for
from headwater.lake.database import literal, quoted, scratch_of
from headwater.lake.store import Objects

DUE = "__due"
"""Table of the pending rows, in the order of the join keys."""
_VECTORS = 8
"""DuckDB vectors, of 2,048 rows each, that are encoded at once."""


def count(connection: duckdb.DuckDBPyConnection, view: FeatureView, table: str, run: Run) -> Counted:
    """Find each entity's newest row that is known at the run's moment, and count."""
    connection.execute(f"CREATE TEMP TABLE __newest AS {_newest(view, quoted(table))}", [run.moment])
    ((rows, next_known),) = connection.execute(
        f"SELECT count(*), min({KNOWN}) FILTER (WHERE {KNOWN} > ?) FROM {quoted(table)}",
        [run.moment],
    ).fetchall()
    ((entities, newest),) = connection.execute(f"SELECT count(*), max({EVENT}) FROM __newest").fetchall()
    return Counted(
        rows=rows, entities=entities, newest_event=newest and newest.replace(tzinfo=UTC), next_known=next_known
    )


def find(
    connection: duckdb.DuckDBPyConnection, objects: Objects, view: FeatureView, run: Run, baselines: Sequence[Run]
) -> int:
    """Put the rows that may have to be written into `DUE`, after `count`. Returns their number.

    Rows that are in every baseline needn't be written, nor rows that the run has written already.
    """
    same: list[str] = []
    for number, baseline in enumerate(baselines):
        kept = objects.newest(offline_key(view, baseline.version))
        if kept is None:
            same = []
            break
        path = scratch_of(connection) / f"before-{number}.parquet"
        objects.fetch(kept, path)
        rows = f"read_parquet({literal(str(path))})"
        connection.execute(f"CREATE TEMP TABLE __before_{number} AS {_newest(view, rows)}", [baseline.moment])
        same.append(f"SELECT * FROM __before_{number}")
    query = "SELECT * FROM __newest"
    if same:
        query += f" EXCEPT ({' INTERSECT '.join(same)})"
    keys = ", ".join(map(quoted, view.entity))
    beyond = f"WHERE ({keys}) > ({', '.join(literal(part) for part in run.after)})" if run.after else ""
    connection.execute(f"CREATE TEMP TABLE {DUE} AS SELECT * FROM ({query}) AS due {beyond} ORDER BY {keys}")
    ((total,),) = connection.execute(f"SELECT count(*) FROM {DUE}").fetchall()
    return int(total)


def writes(
    connection: duckdb.DuckDBPyConnection, view: FeatureView, revision: int, rows: str = DUE
) -> Iterator[OnlineWrite]:
    """The online writes of ``rows`` (a table, or what may stand after FROM), in the order of the join keys.

    Raises
    ------
    InvalidView
        A key is too long for an item.
    """
    values = ", ".join(
        quoted(feature.name) if feature.is_text else f"CAST({quoted(feature.name)} AS DOUBLE)"
        for feature in view.features
    )
    keys = ", ".join(map(quoted, view.entity))
    result = connection.execute(
        f"SELECT {keys}, epoch_us({EVENT}), epoch_us({AVAILABLE}), {values} FROM {rows} ORDER BY {keys}"
    )
    texts = text_places(view)
    width, lasts = len(view.entity), kept_for(view)
    while len(frame := result.fetch_df_chunk(_VECTORS)):
        columns = [frame.iloc[:, place].to_numpy() for place in range(frame.shape[1])]
        events, available = columns[width], columns[width + 1]
        packed = pack_all(events, available, revision, columns[width + 2 :], texts)
        for value, expires, *entity in zip(
            packed, (events // 1_000_000 + lasts).tolist(), *columns[:width], strict=True
        ):
            key = online_key(view.entity, entity)
            if key is None:
                raise InvalidView(f"feature view {view.name!r}: the key of entity {str(entity)[:200]} is too long")
            yield OnlineWrite(key, value, expires)


def _newest(view: FeatureView, rows: str) -> str:
    """A query for each entity's newest row of those known at a moment; needs that as a parameter.

    No two kept rows of an entity have one event time and one available time.
    """
    keys = ", ".join(map(quoted, view.entity))
    columns = ", ".join([keys, EVENT, AVAILABLE, *(quoted(feature.name) for feature in view.features)])
    return (
        f"SELECT {columns} FROM {rows} WHERE {KNOWN} <= ? "
        f"QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY {EVENT} DESC, {AVAILABLE} DESC) = 1"
    )
