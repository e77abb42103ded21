"""Label keys as columns of DuckDB, from logged inputs and from examples, so that both compare as training encodes them.

A category is its text ("" if missing), a number a float64 and a timestamp microseconds since 1970 (both NULL if
missing). SQL reads what is written plainly; anything else is read by the code that encodes requests, each value once.
"""

# ruff: noqa: S608 - what stands in the SQL are names of our own, quoted names and literals
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pandas

from headwater.declare import RequestInput
from headwater.features.errors import InvalidExamples, InvalidInput
from headwater.features.inputs import encode_value, is_missing, local_time
from headwater.json_values import loads
from headwater.lake.database import columns_of, literal, quoted
from headwater.monitoring.labels.types import micros

_SQL = {"category": "VARCHAR", "number": "DOUBLE", "timestamp": "BIGINT"}
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
_NOBODY = {"category": None, "number": math.inf, "timestamp": -(2**63)}
_PLAIN_TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?"


@dataclass(frozen=True)
class _Cell:
    """How one key is read."""

    missing: str
    """A condition."""
    value: str
    """Its value in SQL where it is plain, else NULL."""
    raw: str
    """The text that Python reads if it isn't plain."""
    read: Callable[[Any], Any] | None
    """Reads it; None if it is always plain."""


def from_json(connection: duckdb.DuckDBPyConnection, table: str, into: str, inputs: Sequence[RequestInput]) -> None:
    """Make the table ``into`` of ``table``: its columns but ``inputs`` (JSON), and ``k0``, ``k1`` ... for the keys."""
    cells = []
    for entry in inputs:
        # A path that quotes the name: a dot in it would be another step.
        at = "inputs, " + literal('$."' + entry.name + '"')
        raw, text = f"CAST(json_extract({at}) AS VARCHAR)", f"json_extract_string({at})"
        kind, empty = f"json_type({at})", "'\"\"'"
        missing = f"({raw} IS NULL OR {raw} = 'null' OR {raw} = {empty})"
        plain = {
            "category": f"CASE WHEN {kind} = 'VARCHAR' THEN {text} END",
            "number": f"CASE WHEN {kind} <> 'VARCHAR' THEN TRY_CAST({raw} AS DOUBLE) END",
            "timestamp": f"CASE WHEN regexp_full_match({text}, {literal(_PLAIN_TIME)}) "
            f"THEN epoch_us(TRY_CAST({text} AS TIMESTAMPTZ)) END",
        }[entry.kind]
        cells.append(_Cell(missing, plain, raw, _reader(entry, loads)))
    _make(connection, table, into, "* EXCLUDE (inputs)", inputs, cells)


def from_columns(
    connection: duckdb.DuckDBPyConnection, table: str, into: str, inputs: Sequence[RequestInput], keep: str
) -> list[bool]:
    """Make the table ``into`` with ``keep`` (SQL) of ``table``, and its columns of the inputs' names as ``k0`` ...

    Returns
    -------
    list of bool
        Of each key whether it has but the digits of float32: what it is compared with must be rounded alike.

    Raises
    ------
    InvalidExamples
        A column's type is none that a request could carry.
    """
    types = columns_of(connection, table)
    cells = [_typed(entry, types[entry.name]) for entry in inputs]
    _make(connection, table, into, keep, inputs, cells)
    return [entry.kind == "number" and types[entry.name] == "FLOAT" for entry in inputs]


def _typed(entry: RequestInput, type_: str) -> _Cell:
    name, kind = quoted(entry.name), type_.partition("(")[0]
    missing = f"{name} IS NULL"
    if entry.kind == "category":
        missing = f"({name} IS NULL OR CAST({name} AS VARCHAR) = '')"
        if kind in ("VARCHAR", *_WHOLE, "HUGEINT", "UHUGEINT", "BOOLEAN", "UUID", "ENUM", "DATE"):
            return _Cell(missing, f"CAST({name} AS VARCHAR)", name, None)
        if kind in ("FLOAT", "DOUBLE", "DECIMAL"):
            return _Cell(f"({missing} OR isnan(CAST({name} AS DOUBLE)))", "NULL", name, _reader(entry, lambda raw: raw))
    elif entry.kind == "number":
        if kind in ("FLOAT", "DOUBLE"):
            return _Cell(f"({missing} OR isnan({name}))", f"CAST({name} AS DOUBLE)", name, None)
        if kind in (*_WHOLE, "BOOLEAN"):
            return _Cell(missing, f"CAST({name} AS DOUBLE)", name, None)
        if kind in ("DECIMAL", "HUGEINT", "UHUGEINT"):
            # By its digits: a decimal that is divided by a power of ten may be rounded twice.
            return _Cell(missing, f"CAST(CAST({name} AS VARCHAR) AS DOUBLE)", name, None)
    elif kind in ("TIMESTAMP", "DATE"):
        at = f"CAST({name} AS TIMESTAMP)"
        return _Cell(f"({missing} OR NOT isfinite({at}))", f"epoch_us({at})", name, None)
    elif kind == "VARCHAR":
        return _Cell(f"({missing} OR {name} = '')", "NULL", name, _reader(entry, lambda raw: raw))
    raise InvalidExamples(f"its examples have {entry.name!r} as {type_}, which no request could carry as {entry.kind}")


def _reader(entry: RequestInput, parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read(raw: Any) -> Any:
        """The key's value; of what no request could carry one that no request has."""
        value = parse(raw)
        if is_missing(value):
            return None
        try:
            if entry.kind == "timestamp":
                return micros(local_time(value))
            return encode_value(entry.model_copy(update={"minimum": None, "maximum": None}), value)[0]
        except (InvalidInput, TypeError, ValueError, OverflowError):
            return _NOBODY[entry.kind]

    return read


def _make(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    into: str,
    keep: str,
    inputs: Sequence[RequestInput],
    cells: Sequence[_Cell],
) -> None:
    shown, joined, mapped = [], "", []
    for place, (entry, cell) in enumerate(zip(inputs, cells, strict=True)):
        nothing = "''" if entry.kind == "category" else "NULL"
        value = cell.value
        if cell.read is not None:
            found = connection.execute(
                f"SELECT DISTINCT {cell.raw} FROM {table} WHERE NOT {cell.missing} AND ({cell.value}) IS NULL"
            ).fetchall()
            if found:
                name = f"__read_{place}"
                _map(connection, name, [(str(raw), cell.read(raw)) for (raw,) in found], _SQL[entry.kind])
                joined += f" LEFT JOIN {name} ON {name}.__raw = CAST({cell.raw} AS VARCHAR)"
                value = f"coalesce({cell.value}, {name}.__value)"
                mapped.append(name)
        shown.append(
            f"CASE WHEN {cell.missing} THEN {nothing} ELSE CAST({value} AS {_SQL[entry.kind]}) END AS k{place}"
        )
    columns = ", ".join([keep, *shown])
    if joined:
        # The tables of what was read have columns of their own.
        columns = columns.replace("* EXCLUDE", f"{table}.* EXCLUDE")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {into} AS SELECT {columns} FROM {table}{joined}")
    for name in mapped:
        connection.execute(f"DROP TABLE {name}")


def _map(connection: duckdb.DuckDBPyConnection, name: str, pairs: list[tuple[str, Any]], kind: str) -> None:
    frame = pandas.DataFrame({"raw": [raw for raw, _ in pairs], "value": [_word(value) for _, value in pairs]})
    connection.register("__pairs", frame.astype(object))
    try:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT raw AS __raw, CAST(value AS {kind}) AS __value FROM __pairs"
        )
    finally:
        connection.unregister("__pairs")


def _word(value: Any) -> str | None:
    # As text: pandas would make floats of whole numbers beside a gap.
    return None if value is None else repr(value) if isinstance(value, float) else str(value)


def equal(inputs: Sequence[RequestInput], one: str, other: str, single: Sequence[bool] = ()) -> str:
    """A condition: the keys of two tables are equal; a missing value equals a missing one."""
    singles = single or [False] * len(inputs)
    return " AND ".join(
        f"CAST({one}.k{place} AS FLOAT) IS NOT DISTINCT FROM CAST({other}.k{place} AS FLOAT)"
        if is_single
        else f"{one}.k{place} IS NOT DISTINCT FROM {other}.k{place}"
        for place, is_single in enumerate(singles)
    )
