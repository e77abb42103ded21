"""Finds the rows that break a contract's checks, with reasons. Pandera judges the rows and changes nothing."""

# ruff: noqa: S608 - names in SQL are quoted
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import duckdb
import pandas
from pandera.errors import SchemaError, SchemaErrors

from headwater.lake.contract import Column, Contract
from headwater.lake.database import columns_of, quoted
from headwater.lake.errors import FileRefused
from headwater.lake.frames import frame_of
from headwater.lake.phrases import LONGEST_NAME, clipped, shown
from headwater.lake.reading import ROW
from headwater.lake.reasons import Reason, Reasons

CELLS = 2_000_000
"""Cells that pandera judges at once."""
PASSES = 8
_COLUMN_CHECKS = ("column_in_dataframe", "column_in_schema")


def judge(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    columns: Mapping[str, Column],
    reasons: Reasons,
    chunk: int,
) -> None:
    """Record in ``reasons`` which rows of ``typed`` break a check.

    Rows are judged in chunks of at most ``chunk``, so that memory doesn't grow with the file. Unique values are checked
    over the whole file; a check that judges a column as a whole sees a chunk.

    Raises
    ------
    FileRefused
        The contract fails in a way that no row can be blamed for.
    """
    types = columns_of(connection, "typed")
    there = {name: column for name, column in columns.items() if name in types}
    _find_repeats(connection, contract, there, reasons)
    schema = contract.judge(list(there.values()))
    rows = max(1, min(chunk, CELLS // max(1, len(there))))
    after = 0
    while True:
        frame = frame_of(
            connection,
            f"FROM typed WHERE {ROW} > {after} AND {ROW} NOT IN (SELECT row_number FROM {reasons.table}) "
            f"ORDER BY {ROW} LIMIT {rows}",
            there,
            types,
        )
        if frame.empty and not len(frame.index):
            return
        after = int(frame.index[-1])
        reasons.add(check(schema, frame))


def check(schema: Any, frame: pandas.DataFrame) -> Iterator[Reason]:
    """Yield the reasons of the rows of a frame that break a check.

    Rows are taken out until the others pass: a check of a column as a whole may pass without them.
    """
    for _ in range(PASSES):
        if not len(frame.index):
            return
        try:
            schema.validate(frame, lazy=True)
            return
        except (SchemaErrors, SchemaError) as error:
            found = _blamed(error)
        rows = {reason.row for reason in found if reason.row in frame.index}
        if not rows:
            told = "; ".join(reason.text for reason in found[:5])
            raise FileRefused(f"breaks the contract as a whole: {clipped(told, 1000)}")
        yield from (reason for reason in found if reason.row in rows)
        frame = frame[~frame.index.isin(rows)]
    raise FileRefused(f"the contract still finds bad rows after {PASSES} rounds: {found[-1].text}")


def _blamed(error: SchemaErrors | SchemaError) -> list[Reason]:
    cases = error.failure_cases
    if not isinstance(cases, pandas.DataFrame):
        said = str(error).splitlines()[0]
        return [Reason(-1, said, said)]
    found = []
    for case in cases.to_dict("records"):
        column, rule = case.get("column"), str(case["check"])
        if rule in _COLUMN_CHECKS:
            text = f"{'missing' if rule == _COLUMN_CHECKS[0] else 'unexpected'} column {case['failure_case']}"
            found.append(Reason(-1, text, text))
            continue
        subject = clipped(column, LONGEST_NAME) if isinstance(column, str) else "row"
        rule = f"{subject}: expected {clipped(rule, 2 * LONGEST_NAME)}"
        index = case["index"]
        row = -1 if pandas.isna(index) else int(index)
        found.append(Reason(row, f"{rule}, not {shown(case['failure_case'])}", rule))
    return found


def _find_repeats(
    connection: duckdb.DuckDBPyConnection, contract: Contract, columns: Mapping[str, Column], reasons: Reasons
) -> None:
    for names, which in contract.unique(list(columns.values())):
        by = ", ".join(map(quoted, names))
        order = f"ORDER BY {ROW} DESC" if which == "exclude_last" else f"ORDER BY {ROW}"
        repeated = f"count(*) OVER (PARTITION BY {by}) > 1"
        if which != "all":
            repeated = f"row_number() OVER (PARTITION BY {by} {order}) > 1"
        values = "concat_ws(', ', " + ", ".join(f"CAST({quoted(name)} AS VARCHAR)" for name in names) + ")"
        found: Sequence[tuple[int, str]] = connection.execute(
            f"SELECT {ROW}, left({values}, 100) FROM typed "
            f"WHERE {ROW} NOT IN (SELECT row_number FROM {reasons.table}) QUALIFY {repeated} ORDER BY {ROW}"
        ).fetchall()
        rule = f"{', '.join(clipped(name, LONGEST_NAME) for name in names[:3])}: expected unique values"
        reasons.add(Reason(row, f"{rule}, not {shown(value)} again", rule) for row, value in found)
