"""Whatever is declared, `check` answers in lines, never with a traceback; and a declaration's line is no value."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater.checking import problems
from headwater.declare import Aggregations, Feature, InvalidProduct, Source, Window, location_of
from headwater.errors import HeadwaterError
from tests.unit.checking.declared import HERE, MODEL, SOURCE, VIEW, products

NAMES = st.sampled_from(
    ["rooms", "ROOMS", "price", "sold", "select", "größe", "a b", 'q"', "landed", "", "rowid", "x.y"]
)
EXPRESSIONS = st.recursive(
    NAMES
    | st.sampled_from(["1", "NULL", "'x'", "now()", "*", "$1", "?", "COLUMNS(*)", "CAST('x' AS INT)", "1/0", ";"]),
    lambda inner: st.builds(
        "({} {} {})".format, inner, st.sampled_from(["+", "AS", "||", ",", "IN", "::DATE -"]), inner
    ),
    max_leaves=4,
)
QUERIES = st.builds(
    "{} {} FROM {} {}".format,
    st.sampled_from(["SELECT", "SELECT DISTINCT", "SELEC", "WITH a AS (SELECT 1) SELECT", "SELECT *,", ""]),
    EXPRESSIONS,
    st.sampled_from(["landed", "houses", "houses, houses", "'x.csv'", "range(3)", "nowhere", "(VALUES (1))"]),
    st.sampled_from(["", "WHERE rooms", "GROUP BY ALL", "LIMIT 1", "-- end", ";", "TABLESAMPLE 5%", "UNION SELECT 1"]),
)
SOURCES = st.builds(
    SOURCE.__class__,
    name=st.sampled_from(["houses", "landed", "order"]),
    contract=st.sampled_from([f"{HERE}:{name}" for name in ("ROWS", "ODD", "TWICE", "NOT_A_SCHEMA", "fit", "gone")]),
    keys=st.lists(NAMES, max_size=2).map(tuple),
    sql=st.just("SELECT * FROM landed") | QUERIES,
    event_time=st.none() | NAMES,
    available_time=st.none() | NAMES,
)
WINDOWS = st.builds(
    Window, function=st.sampled_from(["sum", "last", "distinct"]), of=EXPRESSIONS.filter(bool), over=st.just(VIEW.ttl)
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(SOURCES, QUERIES, QUERIES, st.none() | st.tuples(WINDOWS, st.just("") | EXPRESSIONS))
def test_check_answers_in_lines(source: Source, sql: str, examples: str, window: tuple[Window, str] | None) -> None:
    view = VIEW.model_copy(update={"sources": (source.name,), "sql": sql})
    if window:
        features = (Feature(name="last", aggregate=window[0]),)
        view = view.model_copy(update={"sql": None, "aggregate": Aggregations(where=window[1]), "features": features})
    asked = MODEL.examples.model_copy(update={"sources": (source.name,), "sql": examples})
    try:
        found = problems(products(source, view, MODEL.model_copy(update={"examples": asked, "train": f"{HERE}:small"})))
    except HeadwaterError:
        return  # the catalog itself refuses it, in words
    for problem in found:
        assert "\n" not in str(problem)
        assert len(str(problem)) <= 600
        assert "can't be checked" not in str(problem), problem


def test_a_source_cannot_be_called_what_its_sql_calls_uploaded_rows() -> None:
    source = SOURCE.model_copy(update={"name": "landed"})
    view = VIEW.model_copy(update={"sources": ("landed",)})
    asked = MODEL.examples.model_copy(update={"sources": ("landed",)})
    with pytest.raises(InvalidProduct, match=r"'landed' is what Source.sql calls the rows that were uploaded"):
        problems(products(source, view, MODEL.model_copy(update={"examples": asked})))


def test_a_declaration_knows_its_line_which_is_no_part_of_it() -> None:
    one = Source(name="rows", contract="a.b:C")
    two = Source(
        name="rows",
        contract="a.b:C",
    )
    assert (one, hash(one), one.model_dump_json()) == (two, hash(two), two.model_dump_json())
    first, second = location_of(one), location_of(two)
    assert first is not None
    assert second is not None
    assert (second.line - first.line, str(first).partition(":")[0]) == (
        1,
        "tests/unit/checking/test_any_declaration.py",
    )
    assert location_of(one.model_copy(update={"name": "others"})) == first
    assert location_of(copy.copy(one)) == first
    for kept in (pickle.loads(pickle.dumps(one)), Source.model_validate_json(one.model_dump_json())):  # noqa: S301
        assert (kept, location_of(kept)) == (one, None)
