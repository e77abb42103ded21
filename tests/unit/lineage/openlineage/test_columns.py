"""Column lineage of queries, sources and views, against sqlglot's own and against what DuckDB does."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp
from sqlglot.lineage import lineage

from headwater.declare import Aggregations, Feature, FeatureView, Source, count, distinct, last, load_catalog, mean
from headwater.features.offline.rows import compute
from headwater.lake.contract import landed_types
from headwater.lake.database import connect
from headwater.lineage.openlineage.columns import (
    ColumnLineage,
    InputColumn,
    Transformation,
    query_columns,
    source_columns,
    view_columns,
)
from headwater.lineage.openlineage.errors import ColumnsUnknown

TABLES = {"o": ("x", "y", "z"), "p": ("k", "c", "d")}


def short(inputs: Sequence[InputColumn]) -> list[str]:
    return [f"{source}.{column} {transformation}" for source, column, transformation in inputs]


def fields(sql: str, tables: Mapping[str, Sequence[str]] = TABLES) -> dict[str, list[str]]:
    return {name: short(inputs) for name, inputs in query_columns(sql, tables).fields.items()}


def deciding(sql: str) -> list[str]:
    return short(query_columns(sql, TABLES).dataset)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT x FROM o", {"x": ["o.x IDENTITY"]}),
        ("FROM o SELECT x", {"x": ["o.x IDENTITY"]}),
        ("SELECT x FROM o;", {"x": ["o.x IDENTITY"]}),
        ('SELECT X AS "userId" FROM O', {"userId": ["o.x IDENTITY"]}),
        ("SELECT x + y AS s FROM o", {"s": ["o.x TRANSFORMATION", "o.y TRANSFORMATION"]}),
        ("SELECT CAST(x AS TEXT) AS t FROM o", {"t": ["o.x TRANSFORMATION"]}),
        ("SELECT (x) AS t FROM o", {"t": ["o.x IDENTITY"]}),
        ("SELECT 1 AS one, count(*) AS n FROM o", {"one": [], "n": []}),
        ("SELECT sum(x) + 1 AS s FROM o", {"s": ["o.x AGGREGATION"]}),
        ("SELECT * EXCLUDE (z) REPLACE (y * 2 AS y) FROM o", {"x": ["o.x IDENTITY"], "y": ["o.y TRANSFORMATION"]}),
        ("SELECT y AS a, a + 1 AS b FROM o", {"a": ["o.y IDENTITY"], "b": ["o.y TRANSFORMATION"]}),
        ("SELECT CASE WHEN x > 1 THEN y ELSE z END AS c FROM o",
         {"c": ["o.y TRANSFORMATION", "o.z TRANSFORMATION", "o.x CONDITIONAL"]}),
        ("SELECT sum(x) FILTER (WHERE y) AS s FROM o", {"s": ["o.x AGGREGATION", "o.y CONDITIONAL"]}),
        ("SELECT max(x) OVER (PARTITION BY y ORDER BY z) AS m FROM o",
         {"m": ["o.x AGGREGATION", "o.y WINDOW", "o.z WINDOW"]}),
        ("SELECT max(x) OVER w AS m FROM o WINDOW w AS (PARTITION BY y ORDER BY z)",
         {"m": ["o.x AGGREGATION", "o.y WINDOW", "o.z WINDOW"]}),
        ("WITH a AS (SELECT x AS k, sum(y) AS s FROM o GROUP BY x) SELECT k, s * 2 AS t FROM a",
         {"k": ["o.x IDENTITY"], "t": ["o.y AGGREGATION"]}),
        ("SELECT q.a FROM (SELECT x + 1 AS a FROM o) q", {"a": ["o.x TRANSFORMATION"]}),
        ("SELECT x FROM o UNION ALL SELECT c FROM p", {"x": ["o.x IDENTITY", "p.c IDENTITY"]}),
        ("SELECT k, c, d, x FROM o JOIN p ON x = k",
         {"k": ["p.k IDENTITY"], "c": ["p.c IDENTITY"], "d": ["p.d IDENTITY"], "x": ["o.x IDENTITY"]}),
        ("SELECT (SELECT max(d) FROM p WHERE p.k = o.x) AS m FROM o", {"m": ["p.d AGGREGATION"]}),
        ("SELECT u.v FROM o, unnest(o.x) AS u(v)", {"v": ["o.x TRANSFORMATION"]}),
        ("SELECT list_transform(x, lambda e: e + y) AS l FROM o", {"l": ["o.x TRANSFORMATION", "o.y TRANSFORMATION"]}),
        ("SELECT x.a.b AS b FROM o", {"b": ["o.x TRANSFORMATION"]}),
        ("SELECT x, y FROM o UNION ALL BY NAME SELECT c AS y, k AS x, d FROM p",
         {"x": ["o.x IDENTITY", "p.k IDENTITY"], "y": ["o.y IDENTITY", "p.c IDENTITY"], "d": ["p.d IDENTITY"]}),
        ("SELECT list(x ORDER BY y) AS l FROM o", {"l": ["o.x AGGREGATION", "o.y SORT"]}),
        ("SELECT v FROM (SELECT x, y FROM o) q(v, w)", {"v": ["o.x IDENTITY"]}),
        ("WITH o AS (SELECT k AS x FROM p) SELECT x FROM o", {"x": ["p.k IDENTITY"]}),
        ("SELECT a.y FROM o a JOIN o b ON a.x = b.z", {"y": ["o.y IDENTITY"]}),
        ("SELECT t.a, x FROM (VALUES (1, 2)) t(a, b), main.o", {"a": [], "x": ["o.x IDENTITY"]}),
    ],
)  # fmt: skip
def test_a_column_comes_from_the_columns_that_go_into_it(sql: str, expected: dict[str, list[str]]) -> None:
    assert fields(sql) == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT x FROM o WHERE y > 1", ["o.y FILTER"]),
        ("SELECT x FROM o GROUP BY x HAVING max(z) > 1 ORDER BY x", ["o.x GROUP_BY", "o.x SORT", "o.z FILTER"]),
        ("SELECT x, sum(y) AS s FROM o GROUP BY ALL", ["o.x GROUP_BY"]),
        ("SELECT x, d FROM o ASOF JOIN p ON o.x = p.k AND o.y >= p.c",
         ["o.x JOIN", "o.y JOIN", "p.c JOIN", "p.k JOIN"]),
        ("SELECT o.x FROM o JOIN (SELECT k AS x FROM p WHERE c > 1) q USING (x)",
         ["o.x JOIN", "p.c FILTER", "p.k JOIN"]),
        ("SELECT o.x FROM o SEMI JOIN (SELECT k FROM p WHERE c > 1) q ON o.x = q.k",
         ["o.x JOIN", "p.c FILTER", "p.k JOIN"]),
        ("SELECT x FROM o WHERE y IN (SELECT k FROM p WHERE c)", ["o.y FILTER", "p.c FILTER", "p.k FILTER"]),
        ("SELECT x FROM o WHERE EXISTS (SELECT 1 FROM p WHERE p.k = o.y)", ["o.y FILTER", "p.k FILTER"]),
        ("SELECT x, row_number() OVER (PARTITION BY y ORDER BY z) AS r FROM o QUALIFY r = 1",
         ["o.y FILTER", "o.z FILTER"]),
        ("SELECT DISTINCT ON (x) x, y FROM o ORDER BY z", ["o.x SORT", "o.z SORT"]),
        ("WITH a AS (SELECT x FROM o WHERE y) SELECT x FROM a", ["o.y FILTER"]),
        ("SELECT x FROM o LIMIT (SELECT max(k) FROM p)", ["p.k FILTER"]),
        ("WITH unused AS (SELECT x FROM o WHERE y) SELECT k FROM p", []),
    ],
)  # fmt: skip
def test_conditions_and_orders_decide_about_all_columns(sql: str, expected: list[str]) -> None:
    assert sorted(deciding(sql)) == expected


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELEC x FROM o", "no SELECT|can't be traced"),
        ("", "can't be traced"),
        ("SELECT x FROM o; SELECT y FROM o", "no SELECT"),
        ("DELETE FROM o", "no SELECT"),
        ("SELECT nope FROM o", "nope"),
        ("SELECT q FROM elsewhere", "q"),
        ("SELECT e.q FROM elsewhere e", "none of its sources"),
        ("SELECT x FROM read_csv('a.csv')", "none of its sources"),
        ("SELECT COLUMNS('x|y') FROM o", "name the columns"),
        ("SELECT s.* FROM (SELECT {'a': x} AS s FROM o)", "whole row"),
        ("SELECT o FROM o", "whole row"),
        ("SELECT * LIKE 'x%' FROM o", "whole row"),
        ("SELECT n, v FROM o UNPIVOT (v FOR n IN (x, y))", "PIVOT"),
        ("SELECT * FROM o PIVOT (sum(y) FOR x IN (1, 2))", "PIVOT"),
        ("PIVOT o ON x USING sum(y)", "no SELECT"),
        ("SELECT v FROM o, LATERAL (SELECT o.x + 1 AS v)", "LATERAL"),
        ("SELECT x FROM elsewhere.o", "none of its sources"),
        ("INSERT INTO o SELECT * FROM p", "no SELECT"),
        ("CREATE TABLE a AS SELECT x FROM o", "no SELECT"),
        ("WITH RECURSIVE t AS (SELECT x FROM o UNION ALL SELECT x + 1 FROM t WHERE x < 5) SELECT x FROM t", "traced"),
    ],
)
def test_a_query_that_is_not_understood_is_refused_and_nothing_is_guessed(sql: str, said: str) -> None:
    with pytest.raises(ColumnsUnknown, match=said):
        query_columns(sql, TABLES)


def test_a_star_of_a_table_without_known_columns_is_refused() -> None:
    with pytest.raises(ColumnsUnknown, match=r"\* of a table whose columns aren't known"):
        query_columns("SELECT * FROM o", {"o": ()})
    assert fields("SELECT someThing FROM o", {"o": ()}) == {"someThing": ["o.someThing IDENTITY"]}


def test_without_sqlglot_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "headwater.lineage.openlineage.tracing", raising=False)
    monkeypatch.setitem(sys.modules, "sqlglot", None)
    with pytest.raises(ColumnsUnknown, match="sqlglot") as caught:
        query_columns("SELECT x FROM o", TABLES)
    assert caught.value.next_steps == ('pip install "headwater[training]"',)


WORDS = """SELECT FROM WHERE GROUP BY ALL ORDER x y z o p k , ( ) * + AS a sum count CASE WHEN THEN END JOIN ON = > 1
    'q' WITH UNION OVER PARTITION . DISTINCT EXISTS IN NOT NULL ; [ ] { } : -> lambda LIMIT UNPIVOT PIVOT LATERAL"""
words = st.sampled_from(WORDS.split())


@given(st.lists(words, max_size=6), st.lists(words, max_size=8))
def test_any_text_is_traced_or_refused_with_a_reason(columns: list[str], rest: list[str]) -> None:
    try:
        found = query_columns(f"SELECT {' '.join(columns)} FROM o {' '.join(rest)}", TABLES)  # noqa: S608
    except ColumnsUnknown:
        return
    known = {(table, column) for table, columns in TABLES.items() for column in columns}
    assert {(one[0], one[1]) for inputs in (found.dataset, *found.fields.values()) for one in inputs} <= known


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


DELAYS = FeatureView(
    name="delays",
    entity=("origin",),
    sources=("flights",),
    aggregate=Aggregations(where="arr_delay IS NOT NULL", event_time="landed", available_time="known"),
    features=(
        Feature(name="late", aggregate=mean("arr_delay > 15", over="6h")),
        Feature(name="n", aggregate=count(over="6h")),
        Feature(name="carriers", aggregate=distinct("carrier", over="24h")),
        Feature(name="newest", kind="category", aggregate=last("carrier", over="24h")),
    ),
    ttl="24h",
)
JOINED = FeatureView(
    name="joined",
    entity=("origin",),
    sources=("flights",),
    sql="""
        SELECT origin, landed AS event_time, known AS available_time, distance * 2 AS twice,
            avg(arr_delay) OVER (PARTITION BY carrier ORDER BY landed) AS mean
        FROM flights WHERE arr_delay > -5
    """,
    features=(Feature(name="twice"), Feature(name="mean")),
    ttl="24h",
)
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


def test_windows_say_what_they_are_made_from() -> None:
    found = view_columns(DELAYS)
    assert found is not None
    assert short(found.fields["origin"]) == ["flights.origin IDENTITY"]
    assert short(found.fields["event_time"]) == ["flights.landed IDENTITY"]
    late = ["flights.arr_delay AGGREGATION", "flights.known WINDOW", "flights.landed WINDOW", "flights.origin WINDOW"]
    assert short(found.fields["late"]) == late
    assert short(found.fields["n"]) == late[1:]
    assert short(found.dataset) == [f"flights.{name} FILTER" for name in ("arr_delay", "known", "landed", "origin")]


def test_windows_take_their_times_from_the_source() -> None:
    untimed = DELAYS.model_copy(update={"aggregate": Aggregations()})
    source = Source(name="flights", contract="a:B", event_time="took_off")
    found = view_columns(untimed, [source])
    assert found is not None
    assert short(found.fields["event_time"]) == ["flights.took_off IDENTITY"]
    with pytest.raises(ColumnsUnknown, match=r"'delays': its windows name no event time"):
        view_columns(untimed)


def test_a_transform_in_python_tells_nothing() -> None:
    view = FeatureView(
        name="own", entity=("a",), sources=("flights",), transform="pipelines.flights.train:fit",
        features=(Feature(name="f"),), ttl="1h",
    )  # fmt: skip
    assert view_columns(view) is None


def test_a_view_whose_sql_lacks_a_declared_column_is_refused() -> None:
    view = JOINED.model_copy(update={"features": (Feature(name="twice"), Feature(name="missing"))})
    with pytest.raises(ColumnsUnknown, match=r"'joined': its SQL makes no column missing"):
        view_columns(view)


def test_the_products_own_sources_and_views_are_traced_from_the_landed_columns() -> None:
    from headwater.declare import resolve

    catalog = load_catalog("pipelines")
    landed = {name: landed_types(resolve(source.contract)) for name, source in catalog.sources.items()}
    flights = source_columns(catalog.sources["flights"], landed["flights"])
    assert short(flights.fields["sched_dep"]) == ["landed.minute TRANSFORMATION", "landed.time_hour TRANSFORMATION"]
    assert short(flights.fields["carrier"]) == ["landed.carrier IDENTITY"]
    assert {one.column for one in flights.dataset} == set(catalog.sources["flights"].keys)
    for view in catalog.views.values():
        found = view_columns(view, catalog.sources.values(), landed)
        assert found is not None
        assert all(inputs for inputs in found.fields.values())
        assert {one.source for inputs in found.fields.values() for one in inputs} == set(view.sources)


def test_a_source_that_is_not_understood_is_named() -> None:
    with pytest.raises(ColumnsUnknown, match=r"^source 'flights': its SQL takes \*"):
        source_columns(Source(name="flights", contract="a:B"))


def test_direct_and_indirect_are_told_apart() -> None:
    direct = {Transformation.IDENTITY, Transformation.TRANSFORMATION, Transformation.AGGREGATION}
    assert {one for one in Transformation if one.type == "DIRECT"} == direct
