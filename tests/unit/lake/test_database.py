"""What SQL yields comes out of a Parquet file as it went in, or is refused by name: integers of 128 bits, durations."""

# ruff: noqa: S608 - literals of these tests
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.lake.database import connect, without_zones, write_parquet
from headwater.lake.errors import NotKept

HUGE = 123456789012345678901234567
WHOLE = st.one_of(st.none(), st.integers(-(10**38) + 1, 10**38 - 1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("database")


@pytest.fixture(scope="module")
def connection(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(folder / "spill") as opened:
        yield opened


def kept(connection: duckdb.DuckDBPyConnection, folder: Path, *values: str) -> list[tuple[str, str | None]]:
    path = folder / "rows.parquet"
    rows = " UNION ALL ".join(f"SELECT {value} AS x" for value in values)
    assert write_parquet(connection, rows, path) == len(values)
    return connection.execute(f"SELECT typeof(x), CAST(x AS VARCHAR) FROM '{path}'").fetchall()


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (f"{HUGE}::HUGEINT", "DECIMAL(38,0)", str(HUGE)),
        (f"{HUGE}::UHUGEINT", "DECIMAL(38,0)", str(HUGE)),
        ("(SELECT sum(n) FROM (VALUES (9007199254740993), (NULL)) AS t(n))", "DECIMAL(38,0)", "9007199254740993"),
        (f"[{HUGE}::HUGEINT, NULL]", "DECIMAL(38,0)[]", f"[{HUGE}, NULL]"),
        (f"[{HUGE}, 1]::HUGEINT[2]", "DECIMAL(38,0)[]", f"[{HUGE}, 1]"),
        (f"map {{'a': [{HUGE}::HUGEINT]}}", "MAP(VARCHAR, DECIMAL(38,0)[])", f"{{a=[{HUGE}]}}"),
        (f"{{'a \"b': {HUGE}::HUGEINT}}", 'STRUCT("a ""b" DECIMAL(38,0))', f"{{'a \"b': {HUGE}}}"),
        ("INTERVAL '1 day 02:03:04.567'", "INTERVAL", "1 day 02:03:04.567"),
        ("[INTERVAL '1 millisecond', NULL]", "INTERVAL[]", "['00:00:00.001', NULL]"),
        ("'2020-01-02 03:04:05.123456789'::TIMESTAMP_NS", "TIMESTAMP_NS", "2020-01-02 03:04:05.123456789"),
        ("18446744073709551615::UBIGINT", "UBIGINT", "18446744073709551615"),
    ],
)
def test_what_parquet_can_hold_is_written_exactly(
    connection: duckdb.DuckDBPyConnection, folder: Path, value: str, kind: str, text: str
) -> None:
    assert kept(connection, folder, value, "NULL") == [(kind, text), (kind, None)]


@given(st.lists(WHOLE, min_size=1, max_size=5))
def test_every_whole_number_of_38_digits_survives(
    connection: duckdb.DuckDBPyConnection, folder: Path, values: list[int | None]
) -> None:
    given_ = ["NULL::HUGEINT" if value is None else f"'{value}'::HUGEINT" for value in values]
    assert [text and int(text) for _, text in kept(connection, folder, *given_)] == values


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (f"{10**38}::HUGEINT", f"column 'x': 1 row holds what Parquet can't.* 38 digits.*one is {10**38}"),
        (f"[1, {10**38}::HUGEINT]", rf"1 row holds what Parquet can't.*one is \[1, {10**38}\]"),
        (f"{{'a': [{10**38}::UHUGEINT]}}", "1 row holds what Parquet can't"),
        (f"map {{{10**38}::HUGEINT: 1}}", "1 row holds what Parquet can't"),
        ("INTERVAL 7 MICROSECONDS", "whole milliseconds.*one is 00:00:00.000007"),
        ("INTERVAL '-1' DAY", "not negative.*one is -1 day"),
        ("[INTERVAL 7 MICROSECONDS]", "1 row holds what Parquet can't"),
        ("'10:00:00+01'::TIMETZ", "column 'x' as TIME WITH TIME ZONE: Parquet keeps no zone"),
        ("[union_value(a := 1)]", "Parquet keeps no UNION"),
        ("1::BIGNUM", "cast it to DECIMAL"),
    ],
)
def test_what_parquet_would_change_is_refused_by_name(
    connection: duckdb.DuckDBPyConnection, folder: Path, value: str, words: str
) -> None:
    with pytest.raises(NotKept, match=words):
        kept(connection, folder, value, "NULL")


def test_all_rows_that_would_change_are_counted(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    with pytest.raises(NotKept, match=r"^column 'x': 2 rows hold "):
        kept(connection, folder, f"{10**38}::HUGEINT", "1::HUGEINT", f"-{10**38}::HUGEINT")


def test_nanoseconds_become_microseconds_only_where_none_is_lost(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "CREATE OR REPLACE TABLE times AS SELECT CAST(t AS TIMESTAMP_NS) AS t FROM (VALUES "
        "('2020-01-02 03:04:05.123456'), ('1960-01-02 03:04:05.000001'), ('infinity'), ('-infinity'), (NULL)) AS v(t)"
    )
    query = f"SELECT typeof(t), CAST(t AS VARCHAR) FROM ({without_zones(connection, 'times')})"
    texts = ["2020-01-02 03:04:05.123456", "1960-01-02 03:04:05.000001", "infinity", "-infinity", None]
    assert connection.execute(query).fetchall() == [("TIMESTAMP", text) for text in texts]
    connection.execute("INSERT INTO times VALUES ('2020-01-02 03:04:05.123456789')")
    with pytest.raises(NotKept, match=r"1 row holds a time finer than microseconds.*one is .*\.123456789"):
        without_zones(connection, "times")
