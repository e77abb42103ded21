"""Databases that are used again hold nothing of what was before."""

# ruff: noqa: S608 - paths of our own
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pandas
import pytest

from headwater.monitoring.log import scratch as scratches
from headwater.monitoring.log.scratch import scratch


@pytest.fixture(autouse=True)
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratches, "_idle", {})


def tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    return [name for (name,) in connection.execute("SHOW ALL TABLES").df()[["name"]].to_numpy().tolist()]


def database(connection: duckdb.DuckDBPyConnection) -> str:
    return str(connection.execute("SELECT current_setting('temp_directory')").fetchall()[0][0])


def limit(connection: duckdb.DuckDBPyConnection) -> str:
    return str(connection.execute("SELECT current_setting('memory_limit')").fetchall()[0][0])


def test_what_was_registered_and_the_folder_are_gone_and_the_database_is_the_same() -> None:
    with scratch() as (connection, folder):
        first = database(connection)
        connection.register("__rows", pandas.DataFrame({"a": [1]}))
        connection.execute("CREATE TEMP TABLE kept AS SELECT 1 AS a; SET TimeZone = 'Europe/Berlin'")
        (folder / "part").write_text("")
    assert not folder.exists()
    with scratch() as (connection, _):
        assert database(connection) == first
        assert tables(connection) == []
        assert connection.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]
        assert limit(connection) == "953.6 MiB"


def test_a_file_that_is_written_again_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    for value in (1, 2):
        with scratch() as (connection, _):
            connection.execute(f"COPY (SELECT {value} AS a) TO '{path}' (FORMAT parquet)")
            assert connection.execute(f"SELECT a FROM '{path}'").fetchall() == [(value,)]


def test_two_at_once_are_two() -> None:
    with scratch() as (outer, _), scratch() as (inner, _):
        assert database(outer) != database(inner)


def test_one_in_which_something_failed_is_not_used_again() -> None:
    failed: list[str] = []

    def fail() -> None:
        with scratch() as (connection, _):
            failed.append(database(connection))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    with scratch() as (connection, _):
        assert database(connection) not in failed


def test_a_reader_who_has_had_enough_gives_it_back() -> None:
    def numbers() -> Iterator[str]:
        with scratch() as (connection, _):
            while True:
                yield database(connection)

    reading = numbers()
    first = next(reading)
    reading.close()  # type: ignore[attr-defined]
    with scratch() as (connection, _):
        assert database(connection) == first
