"""`headwater check` finds what is wrong with a product before anything is deployed, and names all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import duckdb
import pytest

from headwater.checking import ProductProblems, problems
from headwater.checking.rows import Bench
from headwater.checking.sources import source_problems
from headwater.declare import (
    Aggregations,
    Choice,
    Feature,
    FeatureView,
    Integers,
    Search,
    Uniform,
    count,
    last,
    load_catalog,
    maximum,
)
from headwater.declare.locations import lines
from headwater.lake.ingestion import curate
from headwater.lake.types import Upload
from tests.unit.checking.declared import EXACT, HERE, MODEL, SOURCE, VIEW, products


def found(**changed: object) -> list[str]:
    return [f"{problem.where}: {problem.what}" for problem in problems(products(**changed))]  # type: ignore[arg-type]


def test_the_products_of_this_repository_have_no_problem() -> None:
    assert problems(load_catalog()) == []


def test_a_product_that_is_right_has_no_problem() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("contract", "words"),
    [(f"{HERE}:NONE", "can't be imported"), ("no.such:ROWS", "No module named"), (f"{HERE}:NOT_A_SCHEMA", "not int")],
)
def test_a_contract_that_is_none_is_named_once(contract: str, words: str) -> None:
    (problem,) = found(source=SOURCE.model_copy(update={"contract": contract}))
    assert problem.startswith("source 'houses': contract")
    assert words in problem


def test_a_contract_that_changes_values_is_refused_where_its_source_is_declared() -> None:
    wrong = problems(products(source=SOURCE.model_copy(update={"contract": f"{HERE}:FILLS"})))
    assert {one.where for one in wrong} == {"source 'houses'"}
    assert [one.what.partition(f"contract '{HERE}:FILLS': ")[2].partition(";")[0] for one in wrong] == [
        "column 'rooms': default=0 fills what is missing: do that in Source.sql",
        "column 'price': parsers change values: do that in Source.sql",
        "column 'agent': dtype complex128 isn't supported",
    ]
    assert all(line.startswith("tests/unit/checking/declared.py:") for line in lines(wrong).splitlines())


def test_sql_is_bound_against_the_types_that_ingestion_makes(tmp_path: Path) -> None:
    file = tmp_path / "houses.csv"
    file.write_text(
        "rooms,price,sold,agent,beds,built,open,free\n"
        "7,12345678901234567890.1234,2020-02-03T04:05:06+01:00,a,3,1999-12-31,P1DT2H,true\n"
    )
    types = ", ".join(f"typeof({name}) AS {name}_type" for name in EXACT.columns)
    source = SOURCE.model_copy(update={"contract": f"{HERE}:EXACT", "sql": f"SELECT *, {types} FROM landed"})  # noqa: S608
    upload = Upload(bucket="b", key="landing/houses/houses.csv", version_id="1", size=9, sequencer="1")
    made = curate(source, upload, file, tmp_path)
    (ingested,) = duckdb.sql(f"SELECT COLUMNS('.*_type') FROM '{made.curated}'").fetchall()  # noqa: S608
    with duckdb.connect() as connection:
        bench = Bench(connection)
        assert list(source_problems(bench, source, tmp_path)) == []
        assert tuple(bench.columns["houses"][name] for name in EXACT.columns) == ingested


def test_what_sql_yields_must_be_of_a_kind_that_files_hold() -> None:
    (line,) = found(source=SOURCE.model_copy(update={"sql": "SELECT *, sold::TIME::TIMETZ AS hour FROM landed"}))
    assert "sql yields column 'hour' as TIME WITH TIME ZONE: Parquet keeps no zone" in line
    summed = SOURCE.model_copy(update={"sql": "SELECT *, sum(rooms) OVER () AS every FROM landed"})
    typed = "IF(typeof(every) = 'DECIMAL(38,0)', price, error(typeof(every))) AS price"
    examples = MODEL.examples.model_copy(update={"sql": f"SELECT rooms, {typed}, sold AS asked_at FROM houses"})  # noqa: S608
    assert found(source=summed, model=MODEL.model_copy(update={"examples": examples})) == []


def test_a_misspelt_column_is_found_in_every_query() -> None:
    lines = found(
        source=SOURCE.model_copy(update={"sql": "SELECT *, roms + 1 AS more FROM landed"}),
    )
    assert len(lines) == 1
    assert 'Referenced column "roms" not found' in lines[0]
    examples = MODEL.examples.model_copy(update={"sql": "SELECT rooms, prize AS price, sold AS asked_at FROM houses"})
    view = VIEW.model_copy(update={"sql": str(VIEW.sql).replace("price", "prize")})
    lines = found(view=view, model=MODEL.model_copy(update={"examples": examples}))
    assert [line.partition(":")[0] for line in lines] == ["feature view 'prices'", "model 'house_price'"]


def test_a_view_without_sql_is_bound_and_imported_too() -> None:
    def newest(of: str, kind: Literal["number", "category"] = "number") -> FeatureView:
        feature = Feature(name="last", kind=kind, aggregate=last(of, over="1d"))
        return VIEW.model_copy(update={"sql": None, "aggregate": Aggregations(), "features": (feature,)})

    def python(transform: str) -> FeatureView:
        return VIEW.model_copy(update={"sql": None, "transform": transform})

    assert found(view=newest("rooms")) == found(view=python(f"{HERE}:small")) == []
    assert found(view=newest("agent", "category")) == []
    (line,) = found(view=newest("agent"))
    assert "'last' is last of 'agent', which is VARCHAR, expected a number (text is declared with kind=" in line
    (line,) = found(view=newest("prize"))
    assert line.startswith("feature view 'prices': its aggregations can't be made of 'houses': ")
    assert 'column "prize" not found' in line
    assert found(view=python(f"{HERE}:NOT_A_SCHEMA")) == [
        f"feature view 'prices': transform '{HERE}:NOT_A_SCHEMA' is no function"
    ]
    (line,) = found(view=python("no.such:rows"))
    assert "No module named" in line


def test_sql_that_cannot_be_parsed_is_told_in_one_line() -> None:
    (line,) = found(view=VIEW.model_copy(update={"sql": "SELEC rooms FROM houses"}))
    assert "syntax error" in line
    assert "\n" not in line


def test_columns_that_a_query_must_yield_are_asked_for() -> None:
    view = VIEW.model_copy(update={"sql": "SELECT rooms, sold AS event_time FROM houses"})
    examples = MODEL.examples.model_copy(update={"sql": "SELECT rooms FROM houses"})
    assert found(view=view, model=MODEL.model_copy(update={"examples": examples})) == [
        "feature view 'prices': sql yields no available_time, last; it yields rooms, event_time",
        "model 'house_price': examples: sql yields no price, asked_at; it yields rooms",
    ]


def test_times_and_keys_must_be_columns() -> None:
    lines = found(source=SOURCE.model_copy(update={"event_time": "rooms", "available_time": "known", "keys": ("id",)}))
    assert lines == [
        "source 'houses': keys id are no columns of its contract",
        "source 'houses': event_time 'rooms' is BIGINT, not a timestamp",
        "source 'houses': available_time 'known' is no curated column; there are rooms, price, sold, agent",
    ]


def test_a_train_function_must_exist() -> None:
    (line,) = found(model=MODEL.model_copy(update={"train": f"{HERE}:fitt"}))
    assert line.startswith("model 'house_price': train:")
    (line,) = found(model=MODEL.model_copy(update={"train": f"{HERE}:HERE"}))
    assert line.endswith("is no function")


def test_all_problems_are_one_error_of_a_line_each() -> None:
    wrong = problems(products(source=SOURCE.model_copy(update={"keys": ("a",), "event_time": "b"})))
    error = ProductProblems(lines(wrong))
    assert len(error.message.splitlines()) == 2
    assert all(line.startswith("tests/unit/checking/declared.py:") for line in error.message.splitlines())
    assert error.exit_code == 2


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT price, sold FROM landed", "keys rooms are no curated columns"),
        ("SELECT rooms AS room, price, sold FROM landed", "keys rooms (sql calls it room) are no curated columns"),
        ("SELECT * RENAME (rooms AS room) FROM landed", "keys rooms (sql calls it room) are no curated columns"),
        ("SELECT rooms AS ROOMS, price, sold FROM landed", "keys rooms (sql calls it ROOMS) are no curated columns"),
        ("SELECT * REPLACE (rooms // 10 AS rooms) FROM landed", "changes the values of keys rooms"),
        ("SELECT rooms % 100 AS rooms, price, sold FROM landed", "changes the values of keys rooms"),
        ("SELECT * FROM (SELECT abs(rooms) AS rooms, price, sold FROM landed)", "changes the values of keys rooms"),
        ("WITH made AS (SELECT least(rooms, 5) AS rooms, price, sold FROM landed) FROM made", "changes the values"),
        ("FROM landed UNION ALL BY NAME SELECT rooms + 1 AS rooms FROM landed", "changes the"),
    ],
)
def test_keys_that_sql_loses_renames_or_changes_are_refused(sql: str, words: str) -> None:
    (line,) = [line for line in found(source=SOURCE.model_copy(update={"sql": sql})) if line.startswith("source")]
    assert words in line


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM landed",
        "FROM landed",
        "SELECT landed.rooms, (price) AS price, sold, agent FROM landed;",
        "WITH good AS (SELECT * FROM landed WHERE price > 0) SELECT *, rooms + 1 AS more FROM good",
        "SELECT * RENAME (agent AS seller) FROM landed -- and a remark",
    ],
)
def test_keys_that_come_through_are_no_problem(sql: str) -> None:
    assert found(source=SOURCE.model_copy(update={"sql": sql})) == []


@pytest.mark.parametrize("call", ["now()", "current_date", "random()", "uuid()", "age(sold)", "ago(INTERVAL 1 DAY)"])
def test_a_query_that_answers_otherwise_tomorrow_is_refused(call: str) -> None:
    word = call.partition("(")[0]
    (line,) = found(source=SOURCE.model_copy(update={"sql": f"SELECT *, {call} AS made FROM landed"}))  # noqa: S608
    assert f"sql calls {word}: the same data would give other rows" in line
    (line,) = found(view=VIEW.model_copy(update={"sql": f"{VIEW.sql} WHERE ({call}) IS NOT NULL"}))
    assert f"sql calls {word}" in line
    sql = f"{MODEL.examples.sql} WHERE ({call}) IS NOT NULL"
    (line,) = found(model=MODEL.model_copy(update={"examples": MODEL.examples.model_copy(update={"sql": sql})}))
    assert f"examples: sql calls {word}" in line


def test_a_window_that_answers_otherwise_tomorrow_is_refused() -> None:
    window = maximum("random()", over="1d")
    features = (Feature(name="last", aggregate=window),)
    declared = {"sql": None, "aggregate": Aggregations(where="sold < now()"), "features": features}
    lines_found = [line for line in found(view=VIEW.model_copy(update=declared)) if line.startswith("feature view")]
    assert [line.partition(" calls ")[2].partition(":")[0] for line in lines_found] == ["now", "random"]


def test_a_query_reads_what_its_sources_name_and_nothing_else() -> None:
    for sql in (f"{VIEW.sql} SEMI JOIN prices ON true", f"{VIEW.sql} SEMI JOIN 'rooms.csv' ON true"):
        assert "which its sources don't name; they name houses" in found(view=VIEW.model_copy(update={"sql": sql}))[0]
    assert found(view=VIEW.model_copy(update={"sql": "SELECT 1; SELECT 2"}))[0].endswith("sql must be one SELECT")
    (line,) = found(view=VIEW.model_copy(update={"sql": f"{VIEW.sql} TABLESAMPLE 10%"}))
    assert "random sample" in line


def test_names_that_differ_by_case_are_told_with_what_to_write() -> None:
    shouted = SOURCE.model_copy(update={"sql": 'SELECT rooms AS "Rooms", * EXCLUDE (rooms) FROM landed', "keys": ()})
    view = VIEW.model_copy(update={"sql": str(VIEW.sql).replace("SELECT rooms", 'SELECT "Rooms"')})
    lines_found = found(source=shouted, view=view)
    assert [line.partition("write ")[2] for line in lines_found] == ["Rooms AS rooms", "Rooms AS rooms"]
    view = view.model_copy(update={"sql": str(view.sql).replace('"Rooms"', "Rooms AS rooms")})
    window = maximum("PRICE", over="1d")
    counted = view.model_copy(
        update={"sql": None, "aggregate": Aggregations(), "features": (Feature(name="last", aggregate=window),)}
    )
    right = MODEL.examples.model_copy(update={"sql": "SELECT Rooms AS rooms, price, sold AS asked_at FROM houses"})
    for one in (view, counted):
        assert found(source=shouted, view=one, model=MODEL.model_copy(update={"examples": right, "features": ()})) == []
    (line,) = found(source=SOURCE.model_copy(update={"event_time": "SOLD"}))
    assert line.endswith("(it has sold: names are compared letter by letter)")
    (line,) = found(source=SOURCE.model_copy(update={"keys": ("Rooms",)}))
    assert "keys Rooms are no columns of its contract (it has rooms" in line
    twice = SOURCE.model_copy(update={"contract": f"{HERE}:TWICE"})
    assert "'Store', 'store' differ only by case" in found(source=twice)[0]


def test_columns_may_be_called_anything_that_files_call_them() -> None:
    source = SOURCE.model_copy(update={"name": "table", "contract": f"{HERE}:ODD", "keys": ("dotted.name", "größe")})
    source = source.model_copy(update={"event_time": "at"})
    window = count(over="1d")
    view = FeatureView(
        name="select",
        entity=("order",),
        sources=("table",),
        aggregate=Aggregations(where='"größe" <> "With Space"'),
        features=(Feature(name="group", aggregate=window),),
        ttl="1d",
    )
    examples = MODEL.examples.model_copy(
        update={"sources": ("table",), "sql": 'SELECT "order", price, "at" - INTERVAL 1 DAY AS asked_at FROM "table"'}
    )
    inputs = (MODEL.inputs[0].model_copy(update={"name": "order"}),)
    model = MODEL.model_copy(update={"inputs": inputs, "features": ("select.group",), "examples": examples})
    assert found(source=source, view=view, model=model) == []
    hidden = examples.model_copy(
        update={"sql": 'SELECT "order", rowid, price, "at" - INTERVAL 1 DAY AS asked_at FROM "table"'}
    )
    (line,) = found(source=source, view=view, model=model.model_copy(update={"examples": hidden}))
    assert "sql yields rowid, which has a meaning already" in line


def test_an_input_that_no_value_of_its_column_could_be_is_told() -> None:
    sql = "SELECT agent AS rooms, price, sold AS asked_at FROM houses"
    (line,) = found(model=MODEL.model_copy(update={"examples": MODEL.examples.model_copy(update={"sql": sql})}))
    assert line.endswith("sql yields rooms as VARCHAR; a number is made from numbers (CAST(... AS DOUBLE))")


def searched(train: str, **space: object) -> list[str]:
    search = Search.model_validate({"space": space})
    return found(model=MODEL.model_copy(update={"train": f"{HERE}:{train}", "search": search}))


def test_search_parameters_that_training_can_not_take_are_told() -> None:
    assert searched("fit", learning_rate=Uniform(low=0.1, high=1), max_depth=Integers(low=1, high=3)) == []
    (line,) = searched("fit", learning_rte=Uniform(low=0.1, high=1))
    assert "unexpected keyword argument 'learning_rte'" in line
    (line,) = searched("fit", max_depth=Choice(values=("deep", "flat")))
    assert "The 'max_depth' parameter of HistGradientBoostingRegressor must be" in line
    (line,) = searched("deaf", speed=Uniform(low=0.1, high=1))
    assert "search parameters speed are never read" in line
    kinds = Choice(values=("flat", "deep"))
    assert searched("chooses", kind=kinds, depth=Integers(low=1, high=3)) == []
    (line,) = searched("demands")
    assert "KeyError: 'rate'" in line
    (line,) = searched("demands", rate=Uniform(low=0.1, high=1))
    assert "room" in line
    assert searched("small") == []


def test_a_library_that_is_nowhere_is_told_before_the_call() -> None:
    (line,) = found(model=MODEL.model_copy(update={"train": "tests.unit.checking.lazy:fit"}))
    assert line.endswith("imports no_such_library, which is installed neither here nor in the training container")


def test_a_train_function_that_names_a_column_which_the_model_lacks_is_told() -> None:
    (line,) = found(model=MODEL.model_copy(update={"train": f"{HERE}:astray"}))
    assert "ValueError: Some column names are not columns of the dataframe: {'land'}" in line
