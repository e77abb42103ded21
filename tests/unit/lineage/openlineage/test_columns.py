"""Column lineage of queries, sources and views, as they are written."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.declare import Aggregations, Feature, FeatureView, Source, load_catalog
from headwater.lake.contract import landed_types
from headwater.lineage.openlineage.columns import (
    InputColumn,
    Transformation,
    query_columns,
    source_columns,
    view_columns,
)
from headwater.lineage.openlineage.errors import ColumnsUnknown
from tests.unit.lineage.openlineage.column_cases import DELAYS, JOINED, TABLES


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
