"""From a landed file to curated rows and quarantined ones; knows files and DuckDB, not AWS."""

# ruff: noqa: S608 - names in SQL are declared by products or quoted; values are parameters or literals of our own
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pandas

from headwater.lake.contract import Reason, check, missing_columns, schema_of
from headwater.lake.database import columns_of, connect, quoted, without_zones, write_parquet
from headwater.lake.errors import FileRefused, SourceFailed
from headwater.lake.reading import ROW, MalformedLine, read
from headwater.lake.types import Upload
from headwater.model import Source, resolve

CHUNK = 200_000
SHOWN_RULES = 3
SHOWN_ROWS = 3


@dataclass(frozen=True, slots=True)
class Curation:
    """What became of a file's rows."""

    rows_in: int
    rows_out: int
    rows_rejected: int
    rows_repeated: int
    reasons: tuple[str, ...]
    """One for each rule that was broken, with row numbers, the most frequent first."""
    curated: Path
    quarantine: Path | None
    refusal: str = ""
    """Why none of the rows may count; empty if they may."""


def curate(source: Source, upload: Upload, path: Path, folder: Path) -> Curation:
    """Sort the rows of the file at ``path`` and write the good and the bad ones to Parquet files in ``folder``.

    Raises
    ------
    FileRefused
        The file can't be read, has no rows, or lacks columns.
    SourceFailed
        The source's SQL fails on good rows.
    """
    connection = connect(folder / "spill")
    try:
        landed = read(connection, upload, path, source.missing)
        schema = schema_of(resolve(source.contract))
        if lacking := missing_columns(schema, landed.columns):
            raise FileRefused(f"missing columns: {', '.join(lacking)}. The file has: {', '.join(landed.columns)}")
        rows_in = _count(connection, "raw") + len(landed.malformed)
        if rows_in == 0:
            raise FileRefused("the file has no rows")
        reasons = [Reason(entry.row, entry.reason, "not a row of the table") for entry in landed.malformed]
        reasons += _validate(connection, schema)
        rejected = {reason.row for reason in reasons}
        repeated = _repeated(connection, source)
        quarantine = folder / "quarantine.parquet" if rejected or repeated else None
        if quarantine:
            _write_quarantine(connection, [*reasons, *repeated], landed.malformed, quarantine)
        refusal = ""
        summary = _summary(reasons)
        if len(rejected) > source.max_rejected * rows_in or len(rejected) == rows_in:
            limit = f"{source.max_rejected * 100:.4g}%"
            more = f"; and {len(summary) - SHOWN_RULES} rules more" if len(summary) > SHOWN_RULES else ""
            shown = "; ".join(summary[:SHOWN_RULES]) + more
            refusal = f"{len(rejected):,} of {rows_in:,} rows rejected (limit {limit}): {shown}"
        curated = folder / "curated.parquet"
        rows_out = 0 if refusal else _write_curated(connection, source, curated)
    finally:
        connection.close()
    return Curation(
        rows_in=rows_in,
        rows_out=rows_out,
        rows_rejected=len(rejected),
        rows_repeated=len(repeated),
        reasons=(*summary, *_summary(repeated)),
        curated=curated,
        quarantine=quarantine,
        refusal=refusal,
    )


def _validate(connection: duckdb.DuckDBPyConnection, schema: object) -> list[Reason]:
    """Make the table ``good`` from the rows of ``raw`` that keep the contract; the reasons of the others.

    In chunks, so that memory doesn't grow with the file.
    """
    texts = {name for name, kind in columns_of(connection, "raw").items() if kind == "VARCHAR"}
    reasons: list[Reason] = []
    after, made = 0, False
    while True:
        chunk: pandas.DataFrame = connection.execute(
            f"SELECT * FROM raw WHERE {ROW} > ? ORDER BY {ROW} LIMIT {CHUNK}",
            [after],
        ).df()
        if chunk.empty:
            break
        after = int(chunk[ROW].iloc[-1])
        verdict = check(schema, chunk.set_index(ROW))
        reasons += verdict.reasons
        good = verdict.good.rename_axis(ROW).reset_index()
        if good.empty:
            continue
        connection.register("chunk", good)
        # A text column without a single value has no type of its own in pandas.
        casts = ", ".join(
            f"CAST({quoted(name)} AS VARCHAR) AS {quoted(name)}"
            if name in texts and not pandas.api.types.is_numeric_dtype(good[name]) and not _is_time(good[name])
            else quoted(name)
            for name in good.columns
        )
        connection.execute(
            f"INSERT INTO good BY NAME SELECT {casts} FROM chunk"
            if made
            else f"CREATE OR REPLACE TABLE good AS SELECT {casts} FROM chunk"
        )
        connection.unregister("chunk")
        made = True
    if not made:
        connection.execute("CREATE OR REPLACE TABLE good AS SELECT * FROM raw LIMIT 0")
    return reasons


def _is_time(values: pandas.Series[Any]) -> bool:
    return pandas.api.types.is_datetime64_any_dtype(values) or pandas.api.types.is_timedelta64_dtype(values)


def _repeated(connection: duckdb.DuckDBPyConnection, source: Source) -> list[Reason]:
    """Take the rows out of ``good`` whose keys an earlier row has."""
    if not source.keys:
        return []
    if lacking := [key for key in source.keys if key not in columns_of(connection, "good")]:
        raise SourceFailed(f"source {source.name!r}: its keys {', '.join(lacking)} are no columns of its rows")
    keys = ", ".join(map(quoted, source.keys))
    rows = connection.execute(
        f"SELECT {ROW}, min({ROW}) OVER (PARTITION BY {keys}) AS first FROM good QUALIFY {ROW} > first ORDER BY {ROW}"
    ).fetchall()
    reasons = [Reason(row, f"same {', '.join(source.keys)} as row {first}", "repeated") for row, first in rows]
    if rows:
        connection.register("repeats", pandas.DataFrame({ROW: [row for row, _ in rows]}))
        connection.execute(f"DELETE FROM good WHERE {ROW} IN (SELECT {ROW} FROM repeats)")
        connection.unregister("repeats")
    return reasons


def _write_quarantine(
    connection: duckdb.DuckDBPyConnection, reasons: Sequence[Reason], malformed: Iterable[MalformedLine], path: Path
) -> None:
    """The rows as they landed, each with its number, its reasons and, if it was no row, its line."""
    texts: defaultdict[int, list[str]] = defaultdict(list)
    for reason in reasons:
        texts[int(reason.row)].append(reason.text)
    lines = {entry.row: entry.line for entry in malformed}
    rows = sorted(texts)
    frame = pandas.DataFrame(
        {
            "row_number": rows,
            "reasons": pandas.Series([texts[row] for row in rows], dtype=object),
            "line": pandas.Series([lines.get(row) for row in rows], dtype=object),
        }
    )
    connection.register("refused", frame)
    write_parquet(
        connection,
        "SELECT CAST(row_number AS BIGINT) AS row_number, CAST(reasons AS VARCHAR[]) AS reasons, "
        f"CAST(line AS VARCHAR) AS line, raw.* EXCLUDE ({ROW}) "
        f"FROM refused LEFT JOIN raw ON raw.{ROW} = refused.row_number ORDER BY row_number",
        path,
    )
    connection.unregister("refused")


def _write_curated(connection: duckdb.DuckDBPyConnection, source: Source, path: Path) -> int:
    try:
        connection.execute(f"CREATE TABLE zoned AS SELECT * EXCLUDE ({ROW}) FROM good ORDER BY {ROW}")
        connection.execute(f"CREATE TABLE landed AS {without_zones(connection, 'zoned')}")
        connection.execute(f"CREATE TABLE curated AS {source.sql}")
        kinds = columns_of(connection, "curated")
        for time in filter(None, (source.event_time, source.available_time)):
            if not kinds.get(time, "").startswith("TIMESTAMP"):
                raise SourceFailed(
                    f"source {source.name!r}: its SQL must yield {time} as a timestamp; it yields "
                    f"{', '.join(f'{name} {kind}' for name, kind in kinds.items())}"
                )
        write_parquet(connection, without_zones(connection, "curated"), path)
        return _count(connection, "curated")
    except duckdb.Error as error:
        raise SourceFailed(f"source {source.name!r}: its SQL fails: {' '.join(str(error).split())[:500]}") from error


def _summary(reasons: Sequence[Reason]) -> list[str]:
    """Each rule with the rows that break it: ``dep_time: expected in_range(0, 2400) in rows 17, 90, 214 …``."""
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for reason in reasons:
        rows[reason.rule].append(int(reason.row))
    return [
        f"{rule} in row{'s' if len(found) > 1 else ''} {', '.join(map(str, sorted(found)[:SHOWN_ROWS]))}"
        f"{' …' if len(found) > SHOWN_ROWS else ''}"
        for rule, found in sorted(rows.items(), key=lambda entry: (-len(entry[1]), entry[0]))
    ]


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {quoted(table)}").fetchone()
    return int(row[0]) if row else 0
