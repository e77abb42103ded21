"""Faults of a source: its contract, its keys, its SQL and its times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb

from headwater.checking.keys import changed_keys, key_problems
from headwater.checking.queries import problems_of_query
from headwater.checking.rows import Bench, curated_sample, empty_row, made_rows, sample_file
from headwater.checking.words import alike, said
from headwater.declare import Source, resolve
from headwater.errors import HeadwaterError
from headwater.lake.contract import contract_problems, landed_types, schema_of
from headwater.lake.database import exactly, quoted, without_zones
from headwater.lake.errors import NotKept

LANDED, ZONED = "landed", "__zoned"


def source_problems(bench: Bench, source: Source, folder: Path) -> Iterator[str]:
    """Check a source and, if its SQL works, leave an empty table of its curated rows, and rows for it on the bench."""
    try:
        contract = resolve(source.contract)
        schema = schema_of(contract)
        if wrong := contract_problems(contract):
            yield from (f"contract {source.contract!r}: {what}" for what in wrong)
            return
        yield from case_problems(schema)
        types = landed_types(contract)
        _land(bench.connection, empty_row(types))
    except (HeadwaterError, TypeError, ValueError, NotImplementedError, duckdb.Error) as error:
        yield f"contract {source.contract!r}: {said(error)}"
        return
    names = list(types)
    if missing := [key for key in source.keys if key not in names]:
        yield f"keys {', '.join(missing)} are no columns of its contract{alike(missing, names)}"
    yield from problems_of_query(bench.connection, source.sql, [LANDED], names)
    try:
        _curate(bench.connection, source)
    except duckdb.Error as error:
        yield f"sql: {said(error)}"
        return
    except NotKept as error:
        yield f"sql yields {error.message}"
        return
    bench.begin(source.name)
    columns = bench.columns[source.name]
    yield from _time_problems(source, columns)
    changed = _add_made(bench, source, made_rows(types, schema, source.event_time))
    yield from key_problems(bench.connection, source, [key for key in source.keys if key in names], columns, changed)
    yield from _clashes(source, columns)
    yield from _add_sample(bench, source, schema, folder)


def case_problems(schema: Any) -> Iterator[str]:
    """Faults of a contract's column names: names that differ only by case are one to DuckDB."""
    folded = Counter(str(name).lower() for name in schema.columns)
    for name in sorted(name for name, times in folded.items() if times > 1):
        several = ", ".join(repr(str(column)) for column in schema.columns if str(column).lower() == name)
        yield f"its contract's columns {several} differ only by case, which SQL doesn't tell apart; keep one"


def _land(connection: duckdb.DuckDBPyConnection, rows: str) -> None:
    """The table ``landed`` of a query's rows."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {LANDED} AS {rows}")


def _curate(connection: duckdb.DuckDBPyConnection, source: Source) -> None:
    """The source's table of what its SQL makes of ``landed``."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {ZONED} AS {source.sql}")
    kept = exactly(connection, without_zones(connection, ZONED))
    connection.execute(f"CREATE OR REPLACE TABLE main.{quoted(source.name)} AS {kept}")


def _add_made(bench: Bench, source: Source, rows: Iterable[str]) -> set[str]:
    """Put what the SQL makes of each made row on the bench, as far as it takes them; the keys that it changes."""
    changed: set[str] = set()
    for row in rows:
        try:
            _land(bench.connection, row)
            _curate(bench.connection, source)
            changed |= changed_keys(bench.connection, source, bench.columns[source.name], LANDED)
        except (duckdb.Error, NotKept):
            continue  # Text that was made needn't be a number or a time, nor a duration one that files hold.
        bench.keep(source.name)
    _drop_landed(bench)
    return changed


def _drop_landed(bench: Bench) -> None:
    for name in (LANDED, ZONED):
        bench.connection.execute(f"DROP TABLE IF EXISTS temp.{name}")


def _add_sample(bench: Bench, source: Source, schema: Any, folder: Path) -> Iterator[str]:
    """Put the rows of the product's sample on the bench instead of made ones, if an upload would take them."""
    file = sample_file(source, schema)
    if file is None:
        return
    try:
        curated = curated_sample(source, file, folder)
    except HeadwaterError as error:
        yield f"sql fails on {file.name}: {said(error).removeprefix(f'source {source.name!r}: ')}"
        return
    if curated:
        bench.keep_sample(source.name, curated)


def _time_problems(source: Source, columns: Mapping[str, str]) -> Iterator[str]:
    for field, name in (("event_time", source.event_time), ("available_time", source.available_time)):
        if name is None:
            continue
        if name not in columns:
            yield f"{field} {name!r} is no curated column; there are {', '.join(columns)}{alike([name], columns)}"
        elif not columns[name].startswith("TIMESTAMP"):
            yield f"{field} {name!r} is {columns[name]}, not a timestamp"


def _clashes(source: Source, columns: Collection[str]) -> Iterator[str]:
    """Curated columns that the files' own columns would hide when rows of several files are put together."""
    taken = sorted({"filename", "file_row_number"} & {name.lower() for name in columns})
    if source.keys and taken:
        yield f"sql yields {', '.join(taken)}, which has a meaning already where keys are compared; rename it"
