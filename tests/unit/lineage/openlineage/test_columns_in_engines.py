"""Column lineage against sqlglot's own, and against what DuckDB does when a column changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sqlglot import exp
from sqlglot.lineage import lineage

from headwater.declare import Aggregations, FeatureView
from headwater.features.offline.rows import compute
from headwater.lake.database import connect
from headwater.lineage.openlineage.columns import (
    ColumnLineage,
    query_columns,
    view_columns,
)
from tests.unit.lineage.openlineage.column_cases import DELAYS, JOINED, TABLES

QUERIES = [
    "SELECT x, y + z AS s FROM o",
    "SELECT x, sum(y) AS s FROM o GROUP BY x",
    "SELECT x, CASE WHEN y > 3 THEN z ELSE 0 END AS c FROM o WHERE z <> 4",
    "SELECT o.x, p.d FROM o JOIN p ON o.x = p.k AND p.c > 2",
    "SELECT o.x, p.d FROM o LEFT JOIN p ON o.x = p.k",
    "SELECT x, max(y) OVER (PARTITION BY z) AS m FROM o",
    "SELECT x, row_number() OVER (PARTITION BY y ORDER BY z, x, y) AS r FROM o QUALIFY r = 1",
    "WITH a AS (SELECT x AS k, sum(y) AS s FROM o GROUP BY x) SELECT a.k, a.s + p.d AS t FROM a JOIN p USING (k)",
    "SELECT x, (SELECT sum(d) FROM p WHERE p.k = o.x) AS m FROM o",
    "SELECT x FROM o WHERE y IN (SELECT k FROM p WHERE c > 2)",
    "SELECT x AS v FROM o UNION ALL SELECT c + 1 AS v FROM p WHERE d > 3",
    "SELECT DISTINCT x, y FROM o",
    "SELECT x, y FROM o UNION SELECT k, c FROM p",
    "SELECT x, y FROM o EXCEPT SELECT k, c FROM p WHERE d > 2",
    "SELECT x FROM o INTERSECT ALL SELECT k FROM p",
    "SELECT x, y FROM o ANTI JOIN p ON o.x = p.k AND p.d > 3",
    "SELECT x FROM o WHERE x > (SELECT avg(c) FROM p)",
    "SELECT x, lag(y) OVER w AS before FROM o WINDOW w AS (PARTITION BY z ORDER BY x, y)",
    "SELECT x FROM o ORDER BY y, x LIMIT 10",
    "SELECT x FROM o ORDER BY x LIMIT (SELECT count(*) FROM p WHERE d > 3)",
    "SELECT x, list(y ORDER BY z, y) AS l FROM o GROUP BY x",
    "SELECT x, y FROM o UNION ALL BY NAME SELECT c AS y, k AS x FROM p",
    "SELECT a.y, b.z FROM o a JOIN o b ON a.x = b.y",
    "SELECT u.v FROM (SELECT [x, y] AS l FROM o), unnest(l) AS u(v)",
    "SELECT x, count(*) FILTER (WHERE z > 3) AS n FROM o GROUP BY ALL",
    "SELECT o.x, o.y FROM o SEMI JOIN (SELECT k FROM p WHERE c > 1) q ON o.x = q.k",
    "SELECT o.x, p.d FROM o ASOF JOIN p ON o.x = p.k AND o.y >= p.c",
    "SELECT greatest(x, y) AS g, coalesce(nullif(z, 3), x) AS h FROM o",
]  # fmt: skip


# sqlglot's own takes the columns of a UNION BY NAME by their places.
@pytest.mark.parametrize("sql", [sql for sql in QUERIES if "BY NAME" not in sql])
def test_sqlglots_own_lineage_knows_no_further_column(sql: str) -> None:
    schema = {table: dict.fromkeys(columns, "INT") for table, columns in TABLES.items()}
    found = query_columns(sql, TABLES)
    for output, inputs in found.fields.items():
        leaves = [node for node in lineage(output, sql, schema=schema, dialect="duckdb").walk() if not node.downstream]
        theirs = {
            f"{node.expression.name}.{node.name.rpartition('.')[2]}" for node in leaves
            if isinstance(node.expression, exp.Table)
        }  # fmt: skip
        ours = {f"{one.source}.{one.column}" for one in (*inputs, *found.dataset)}
        assert {leaf for leaf in theirs if not leaf.endswith((".*", "."))} <= ours


@pytest.fixture
def database(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(tmp_path) as connection:
        yield connection


def fill(database: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, str]) -> None:
    """A table of 60 rows; each column is an expression over the row's number ``i``."""
    made = ", ".join(f'{expression} AS "{name}"' for name, expression in columns.items())
    database.execute(f'CREATE OR REPLACE TABLE "{table}" AS SELECT {made} FROM range(60) AS numbers(i)')  # noqa: S608


def whole(seed: int) -> str:
    return f"CAST(hash(i * 1000 + {seed}) % 7 AS INTEGER)"


def columns_of_rows(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, list[str]]:
    """Each column's values, without the order of rows."""
    return {name: sorted(repr(row[name]) for row in rows) for name in names}


def changed(before: Mapping[str, list[str]], after: Mapping[str, list[str]]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


def said_to_depend(found: ColumnLineage, source: str, column: str) -> set[str]:
    if any((one.source, one.column) == (source, column) for one in found.dataset):
        return set(found.fields)
    return {
        name for name, inputs in found.fields.items() if any((one[0], one[1]) == (source, column) for one in inputs)
    }


@pytest.mark.parametrize("sql", QUERIES)
def test_what_changes_with_a_column_says_that_it_comes_from_it(sql: str, database: duckdb.DuckDBPyConnection) -> None:
    found = query_columns(sql, TABLES)

    def run() -> dict[str, list[str]]:
        relation = database.sql(sql)
        rows = [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]
        return columns_of_rows(rows, relation.columns)

    for table, names in TABLES.items():
        fill(database, table, {name: whole(len(table + name) + ord(name)) for name in names})
    before = run()
    moved = set()
    for table, names in TABLES.items():
        kept = {name: whole(len(table + name) + ord(name)) for name in names}
        for name in names:
            fill(database, table, {**kept, name: whole(500)})
            difference = changed(before, run())
            assert difference <= said_to_depend(found, table, name), f"{table}.{name}"
            moved |= difference
        fill(database, table, kept)
    assert moved, "the data show nothing"


MOMENT = "TIMESTAMP '2013-01-01' + to_minutes(CAST(hash(i * 77 + {seed}) % 3000 AS INTEGER))"
FLIGHTS = {
    "origin": "['EWR', 'JFK', 'LGA'][1 + CAST(hash(i + 5) % 3 AS INTEGER)]",
    "carrier": "['AA', 'B6', 'UA'][1 + CAST(hash(i + 6) % 3 AS INTEGER)]",
    "arr_delay": "CAST(hash(i + 7) % 60 AS INTEGER) - 20",
    "distance": "CAST(hash(i + 8) % 900 AS INTEGER)",
    "landed": MOMENT.format(seed=1),
    "known": f"{MOMENT.format(seed=1)} + INTERVAL 10 MINUTES",
    "unused": "i",
}
OTHER = {
    "origin": "['EWR', 'JFK', 'LGA'][1 + CAST(hash(i + 95) % 3 AS INTEGER)]",
    "carrier": "['AA', 'B6', 'UA'][1 + CAST(hash(i + 96) % 3 AS INTEGER)]",
    "arr_delay": "CAST(hash(i + 97) % 60 AS INTEGER) - 20",
    "distance": "CAST(hash(i + 98) % 900 AS INTEGER)",
    "landed": MOMENT.format(seed=2),
    "known": f"{MOMENT.format(seed=1)} + INTERVAL 600 MINUTES",
    "unused": "i + 1",
}


DECAYING = DELAYS.model_copy(
    update={"aggregate": Aggregations(event_time="landed", available_time="known", decay=True), "name": "decaying"}
)


@pytest.mark.parametrize("view", [DELAYS, DECAYING, JOINED], ids=lambda view: view.name)
def test_a_views_rows_change_with_no_other_column_than_it_says(
    view: FeatureView, database: duckdb.DuckDBPyConnection
) -> None:
    found = view_columns(view)
    assert found is not None

    def run() -> dict[str, list[str]]:
        compute(database, view, "made")
        relation = database.sql("SELECT * FROM made")
        rows = [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]
        database.execute("DROP TABLE made")
        return columns_of_rows(rows, list(found.fields))

    fill(database, "flights", FLIGHTS)
    before = run()
    moved = set()
    for column in FLIGHTS:
        fill(database, "flights", {**FLIGHTS, column: OTHER[column]})
        difference = changed(before, run())
        assert difference <= said_to_depend(found, "flights", column), column
        moved |= {column} if difference else set()
    assert moved >= {"origin", "carrier", "arr_delay", "landed", "known"}
    assert not said_to_depend(found, "flights", "unused")
