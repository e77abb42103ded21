"""A cell becomes exactly what the contract says, or its row alone is rejected with the value and the reason."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pandas
import pandera.pandas as pa
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandera.engines import pandas_engine

from headwater.lake.contract import contract_problems, landed_types
from headwater.lake.errors import SourceFailed
from tests.unit.lake.curating import ANYTHING, column, curated

ZONED = pandas.DatetimeTZDtype(unit="us", tz="UTC")
MONEY = pandas_engine.Decimal(18, 2)


def csv_of(*cells: str) -> str:
    file = io.StringIO()
    # A cell of its own before it: an empty one alone would be a blank line.
    csv.writer(file).writerows([["n", "x"], *enumerate(cells)])
    return file.getvalue()


def lines_of(*rows: str) -> str:
    return "".join(f"{row}\n" for row in rows)


def parquet_of(**columns: Any) -> bytes:
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("dtype", "cells", "values"),
    [
        ("int64", ["9007199254740993", "3.0", "+5", " 7 ", "1e3", ""],
         [9007199254740993, 3, 5, 7, 1000, None]),
        ("Int64", ["2.5", "1_000", "0x10", "9223372036854775808", "nan", "1,0", "1e-3"], []),
        ("uint64", ["18446744073709551615", "-1"], [18446744073709551615]),
        ("int8", ["127", "128"], [127]),
        (float, ["0.1", "1.", ".5", "1e-3", "nan", "inf", "1e400", "1_0"], [0.1, 1.0, 0.5, 0.001]),
        (MONEY, ["1.10", "1.100", "1.005", "1e2", "12345678901234567.89"], [Decimal("1.10")] * 2 + [Decimal(100)]),
        (bool, ["true", "F", "Yes", "0", "", "maybe"], [True, False, True, False, None]),
        (str, [" a ", "NULL", 'q"', "l\nm\r\n", "é😀", "x\0y", "007"],
         [" a ", "NULL", 'q"', "l\nm\r\n", "é😀", "x\0y", "007"]),
        (pandas_engine.Category(["a", "it's {cell}"]), ["a", "it's {cell}", "c"], ["a", "it's {cell}"]),
        (pandas_engine.Date, ["2026-02-04", "20260204", "2026-02-04T01:00"], [date(2026, 2, 4)] * 2),
        ("timedelta64[ns]", ["1 days 02:03:04", "P1DT2H", "5", "-1 days"], [timedelta(1, 7384), timedelta(1, 7200)]),
    ],
    ids=str,
)  # fmt: skip
def test_a_csv_cell_becomes_its_contracts_type_exactly_or_is_rejected(
    dtype: Any, cells: list[str], values: list[Any]
) -> None:
    found = curated(column(dtype), "x.csv", csv_of(*cells))
    assert (found.column("x") if found.rows else []) == values
    for number, reasons in found.rejected.items():
        assert len(reasons) == 1
        assert reasons[0].startswith("x: expected ")
        assert reasons[0].endswith(f"not {cells[number - 1]!r}")


TEN = datetime(2026, 2, 4, 10)  # noqa: DTZ001 - curated times are UTC without a zone


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-02-04T10:00:00Z", TEN),
        ("2026-02-04 10:00", TEN),
        ("20260204T100000Z", TEN),
        ("2026-02-04T12:00:00+02:00", TEN),
        ("2026-02-04T12+02", TEN),
        ("2026-W06-3T10:00", TEN),
        ("2026-035T10:00:00,000Z", TEN),
        ("2026-02-04t10:00:00.000000z", TEN),
        ("2026-02-04T10:00:00.1234560Z", TEN.replace(microsecond=123456)),
        ("2026-02-04T24:00:00", datetime(2026, 2, 5)),  # noqa: DTZ001
        *((text, None) for text in (
            "2026-02-04T10:00:00.1234567Z", "09:00", "1772532000", "1772532000000", "2012121510123", "infinity", "now",
            "2026-02-30", "2026-02-04T10:00:60Z", "2026-02-04 25:00:00", "04/02/2026 10:00",
            "0001-01-01T00:00:00+02:00",
        )),
    ],
)  # fmt: skip
def test_a_time_is_iso_8601_in_any_form_or_its_row_is_rejected(text: str, moment: datetime | None) -> None:
    for name, body in (("x.csv", csv_of(text, "2026-02-04")), ("x.jsonl", lines_of(json.dumps({"x": text})))):
        found = curated(column(ZONED), name, body)
        assert (found.column("x")[:1] if 1 not in found.rejected else [None]) == [moment]
        if moment is None:
            wanted = "a time in whole microseconds" if ".1234567" in text else "a time in ISO 8601"
            assert found.rejected == {1: [f"x: expected {wanted}, not {text!r}"]}


def test_what_a_source_declares_of_its_times_is_what_is_read() -> None:
    german = curated(column(ZONED), "x.csv", csv_of("04/02/2026 10:00", "2026-02-04"), times=("%d/%m/%Y %H:%M",))
    assert (german.column("x"), list(german.rejected)) == ([TEN], [2])
    counted = {"times": {"x": ("epoch_milliseconds",)}}
    assert curated(column(ZONED), "x.jsonl", '{"x": 1770199200000}\n', **counted).column("x") == [TEN]
    assert list(curated(column(ZONED), "x.jsonl", '{"x": 1770199200000}\n').rejected) == [1]
    two = curated(column(ZONED), "x.csv", csv_of("04/02/2026", "02/02/2026"), times=("%d/%m/%Y", "%m/%d/%Y"))
    assert list(two.rejected) == [1]
    with pytest.raises(ValueError, match="expected a format of strptime"):
        curated(column(ZONED), "x.csv", csv_of("1"), times=("dayfirst",))


def test_a_zones_hour_that_its_clock_shows_twice_or_never_is_rejected() -> None:
    berlin = column(pandas.DatetimeTZDtype(unit="us", tz="Europe/Berlin"))
    cells = ("2026-02-04 11:00", "2026-03-29 02:30", "2026-10-25 02:30", "2026-10-25T02:30:00+01:00")
    found = curated(berlin, "x.csv", csv_of(*cells))
    assert (found.column("x")[0], list(found.rejected)) == (TEN, [2, 3])


def test_numbers_with_a_decimal_comma_are_read_where_it_is_declared() -> None:
    cells, declared = csv_of("1.234,50", "1,5", "1.5", "12.34"), {"decimal": ",", "thousands": "."}
    found = curated(column(MONEY), "x.csv", cells, **declared)
    assert (found.column("x"), list(found.rejected)) == ([Decimal("1234.50"), Decimal("1.50")], [3, 4])
    assert list(curated(column(float), "x.csv", csv_of("1,5", "1.5")).rejected) == [1]
    assert curated(column(float), "x.jsonl", '{"x": 1.234}\n', **declared).column("x") == [1.234]


def test_json_keys_and_types_are_those_of_all_lines_and_numbers_keep_their_digits() -> None:
    rows = ['{"a": 7}'] * 3 + [
        '{"a": 19.99, "b": 9007199254740993, "c": 1e400, "d": "0012", "e": {"k": [1, 1.10]}, "f": "5", "g": true}',
        '{"a": 1.10, "f": 5, "h": 1234567890123456789012345678901234567890}',
    ]
    found = curated(ANYTHING, "x.jsonl", lines_of(*rows))
    assert found.types == {
        "a": "DOUBLE", "b": "BIGINT", "c": "JSON", "d": "VARCHAR", "e": "JSON", "f": "JSON", "g": "BOOLEAN", "h": "JSON"
    }  # fmt: skip
    assert found.rows[3] == (19.99, 9007199254740993, "1e400", "0012", '{"k":[1,1.10]}', '"5"', True, None)
    assert found.rows[4] == (1.1, None, None, None, None, "5", None, "1234567890123456789012345678901234567890")
    texts = curated(column(str), "x.jsonl", lines_of('{"x": 1.10}', '{"x": "five"}', '{"x": ""}', "{}"))
    assert texts.column("x") == ["1.10", "five", "", None]


def test_a_line_that_is_no_object_is_rejected_alone_and_says_why() -> None:
    lines = [
        b'{"x": "a"}', b'{"x": 1, "x": 2}', b'{"x": NaN}', b"[1]", b'{"x": "\xe9"}', b'{"x": "\\ud800"}', b'{"x": 1',
        b'{"x": {"y": 1, "y": 2}}', b"", b'{"x": "b"}',
    ]  # fmt: skip
    found = curated(column(str), "x.jsonl", b"\n".join(lines))
    assert found.column("x") == ["a", "b"]
    assert {row: reasons[0].partition(":")[0] for row, reasons in found.rejected.items()} == {
        2: "the key 'x' comes twice in one object", 3: "NaN is no JSON", 4: "no object", 5: "byte 0xE9",
        6: "half of a surrogate pair is no character", 7: "no JSON", 8: "the key 'y' comes twice in one object",
    }  # fmt: skip


def test_parquet_keeps_the_files_types_where_the_contract_names_none() -> None:
    body = parquet_of(
        digits=pyarrow.array([Decimal(9007199254740993)], pyarrow.decimal128(38, 0)),
        large=pyarrow.array([18446744073709551615], pyarrow.uint64()),
        nested=[{"k": [Decimal("1.10")]}],
        at=pyarrow.array([TEN.replace(tzinfo=UTC)], pyarrow.timestamp("us", "Europe/Berlin")),
        kind=pyarrow.array(["a"]).dictionary_encode(),
        nothing=pyarrow.nulls(1),
        raw=[b"\xff"],
    )
    found = curated(ANYTHING, "x.parquet", body)
    assert found.rows == [
        (Decimal(9007199254740993), 18446744073709551615, {"k": [Decimal("1.10")]}, TEN, "a", None,
         b"\xff")
    ]  # fmt: skip
    finer = parquet_of(at=pyarrow.array([1], pyarrow.timestamp("ns")))
    assert curated(ANYTHING, "x.parquet", finer).rejected[1][0].startswith("at: expected whole microseconds")


def test_checks_see_exact_integers_decimals_and_missing_booleans() -> None:
    def exact(values: pandas.Series[Any]) -> pandas.Series[Any]:
        return values == 9007199254740993

    large = curated(column("int64", pa.Check(exact)), "x.csv", csv_of("9007199254740993", "", "9007199254740992"))
    assert (large.column("x"), list(large.rejected)) == ([9007199254740993, None], [3])
    assert list(curated(column(MONEY, pa.Check.ge(Decimal("0.10"))), "x.csv", csv_of("0.10", "0.09")).rejected) == [2]
    label = curated(column(bool, nullable=False), "x.csv", csv_of("true", "", "no"))
    assert (label.column("x"), label.rejected) == ([True, False], {2: ["x is missing"]})
    unique = curated(column(int, unique=True), "x.csv", csv_of("1", "2", "1"))
    assert unique.rejected == {row: ["x: expected unique values, not '1' again"] for row in (1, 3)}


def test_a_contract_that_would_change_values_is_refused() -> None:
    contract = pa.DataFrameSchema(
        {"x": pa.Column(int, default=3, parsers=pa.Parser(lambda values: values)), "y": pa.Column(complex)},
        parsers=pa.Parser(lambda frame: frame),
        add_missing_columns=True,
    )
    said = " ".join(contract_problems(contract))
    for words in ("parsers change rows", "add_missing_columns", "'x': parsers", "default=3", "'y': dtype complex128"):
        assert words in said
    with pytest.raises(SourceFailed, match=r"do that in Source\.sql"):
        curated(contract, "x.csv", csv_of("1"))
    assert contract_problems(column(MONEY)) == []
    assert landed_types(column(MONEY)) == {"x": "DECIMAL(18,2)"}


def test_what_a_source_s_sql_sums_up_is_curated_exactly_or_refused_by_name() -> None:
    large = 9007199254740993
    made = curated(column(int), "x.csv", csv_of(str(large), "1"), sql="SELECT sum(x) OVER () AS x FROM landed")
    assert (made.rows, made.types) == ([(large + 1,)] * 2, {"x": "DECIMAL(38,0)"})
    for sql, words in (
        (
            f"SELECT {10**38}::HUGEINT + x AS x FROM landed",  # noqa: S608
            f"x': 1 row holds what Parquet can't.*one is {10**38 + 1}$",
        ),
        ("SELECT to_microseconds(x) AS x FROM landed", "x': 1 row holds what Parquet can't.*one is 00:00:00.000001$"),
        ("SELECT make_timestamp_ns(x) AS x FROM landed", "x': 1 row holds a time finer than microseconds"),
    ):
        with pytest.raises(SourceFailed, match=f"^source 'things': its SQL yields column '{words}"):
            curated(column(int), "x.csv", csv_of("1"), sql=sql)


@pytest.mark.parametrize(
    ("body", "declared", "rows"),
    [
        ('x;y;"How, if at all?"\n1;a;5\n', {}, [("1",)]),
        ("y,x\na,1\r\nb,2\r\n", {}, [("1",), ("2",)]),
        ("y,x\ra,1\rb,2", {}, [("1",), ("2",)]),
        ("\ufeffx,y\n1,2\n", {}, [("1",)]),
        (",x\n0,1\n", {}, [("1",)]),
        ("# made by hand\nx,y\n1,2\n#3,4\n", {"comment": "#"}, [("1",)]),
        ("x,y\n'1,5',2\n", {"quotechar": "'"}, [("1,5",)]),
        ('x,y\n1"5,2\n', {"quotechar": ""}, [('1"5',)]),
        ('x,y\n"1\\"5",2\n', {"escapechar": "\\"}, [('1"5',)]),
        ("1,2\n", {"names": ("x", "y")}, [("1",)]),
        ("x^y\n1^2\n", {"delimiter": "^"}, [("1",)]),
        ("x,y\né,2\n".encode("utf-16"), {"encoding": "utf-16"}, [("é",)]),
    ],
)
def test_a_csv_files_dialect_is_seen_or_declared(body: Any, declared: dict[str, Any], rows: list[Any]) -> None:
    assert curated(column(str), "x.csv", body, **declared).rows == rows


def test_lines_after_a_quote_that_is_never_closed_are_rejected_one_by_one() -> None:
    found = curated(column(str), "x.csv", 'x,y\n1,2\n"3,4\n5,6\n')
    assert (found.rows, list(found.rejected)) == ([("1",)], [2, 3])
    assert found.rejected[3] == ["a quote is opened and never closed (from '\"3,4' on)"]


def test_a_refusal_of_a_wide_file_is_short() -> None:
    names = [f"question {number} " + "how content are you " * 5 for number in range(25_000)]
    said = curated(column(int), "x.csv", ",".join(names) + "\n").refusal
    assert said.startswith("missing columns: x. The file has: question 0 ")
    assert said.endswith("and 24,980 more")
    assert len(said) < 4000


def test_a_column_without_a_name_is_named_in_a_refusal() -> None:
    contract = pa.DataFrameSchema({"": pa.Column(int), "x": pa.Column(int)}, strict="filter")
    assert curated(contract, "x.csv", ",x\n1,2\n").refusal == "missing columns: ''. The file has: column_1, x"


TABLES = st.lists(
    st.fixed_dictionaries(
        {
            "whole": st.none() | st.integers(-(2**63), 2**63 - 1),
            "money": st.none() | st.decimals(-(10**15), 10**15, places=2),
            "number": st.none() | st.floats(allow_nan=False, allow_infinity=False),
            "text": st.none() | st.text(st.characters(codec="utf-8"), min_size=1, max_size=12),
            "flag": st.none() | st.booleans(),
            "at": st.none() | st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]),
                                           min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)),  # noqa: DTZ001
            "day": st.none() | st.dates(),
            "key": st.none() | st.uuids().map(str),
        }
    ),
    min_size=1,
    max_size=5,
)  # fmt: skip
TYPED = pa.DataFrameSchema(
    {
        "row": pa.Column("int64"),
        **{
            name: pa.Column(dtype, nullable=True)
            for name, dtype in {
                "whole": "Int64", "money": MONEY, "number": float, "text": str, "flag": bool, "at": ZONED,
                "day": pandas_engine.Date, "key": str,
            }.items()
        },
    },
    strict=True,
)  # fmt: skip


def written(value: Any) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


def as_json(value: Any) -> str:
    is_text = isinstance(value, (str, date, UUID))
    return json.dumps(str(value)) if is_text else str(value) if isinstance(value, Decimal) else json.dumps(value)


@given(TABLES)
@settings(max_examples=6, deadline=None)
def test_a_table_comes_out_of_every_kind_of_file_as_it_went_in(rows: list[dict[str, Any]]) -> None:
    # Hypothesis draws the keys of each row in an order of its own.
    numbered = [{"row": number, **{name: row[name] for name in rows[0]}} for number, row in enumerate(rows)]
    want = [
        tuple(
            value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value
            for value in row.values()
        )
        for row in numbered
    ]
    file = io.StringIO()
    csv.writer(file).writerows([list(numbered[0]), *([written(value) for value in row.values()] for row in numbered)])
    assert curated(TYPED, "x.csv", file.getvalue()).rows == want
    lines = ["{" + ",".join(f'"{key}": {as_json(value)}' for key, value in row.items()) + "}\n" for row in numbered]
    assert curated(TYPED, "x.jsonl", "".join(lines)).rows == want
    types = {
        "row": pyarrow.int64(), "whole": pyarrow.int64(), "money": pyarrow.decimal128(18, 2),
        "at": pyarrow.timestamp("us", "UTC"),
        "number": pyarrow.float64(), "text": pyarrow.string(), "flag": pyarrow.bool_(),
        "day": pyarrow.date32(), "key": pyarrow.string(),
    }  # fmt: skip
    columns = {key: [row[key] for row in numbered] for key in numbered[0]}
    columns["at"] = [at and at.astimezone(UTC) for at in columns["at"]]  # pyarrow forgets the offset of some
    body = parquet_of(**{key: pyarrow.array(cells, types[key]) for key, cells in columns.items()})
    assert curated(TYPED, "x.parquet", body).rows == want
