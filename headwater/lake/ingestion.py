"""From a landed file to curated rows and quarantined ones; knows files and DuckDB, not AWS.

The file is read cell by cell (`headwater.lake.reading`), cells become what the contract says
(`headwater.lake.conversion`), pandera judges the rows (`headwater.lake.verdicts`), and those that pass are selected
from the database: no row goes through Python on its way to the lake.
"""

# ruff: noqa: S608 - names in SQL are declared by products or quoted; values are parameters or literals of our own
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from headwater.declare import Source, resolve
from headwater.lake.cells import NULL, CellFile
from headwater.lake.contract import Contract
from headwater.lake.conversion import convert
from headwater.lake.database import columns_of, connect, quoted, without_zones, write_parquet
from headwater.lake.errors import FileRefused, NotKept, SourceFailed
from headwater.lake.phrases import clipped
from headwater.lake.reading import DELIMITED, ROW, Landed, MalformedLine, read
from headwater.lake.reasons import Reason, Reasons
from headwater.lake.types import Upload
from headwater.lake.verdicts import judge

CHUNK = 200_000
SHOWN_RULES = 3
LONGEST_REFUSAL = 4000


@dataclass(frozen=True, slots=True)
class Curation:
    """The result for a file's rows."""

    rows_in: int
    rows_out: int
    rows_rejected: int
    rows_repeated: int
    reasons: tuple[str, ...]
    """One for each rule that was broken, with row numbers, the most frequent first."""
    curated: Path
    quarantine: Path | None
    refusal: str = ""
    """Why the whole file is refused; empty if its rows count."""


def curate(source: Source, upload: Upload, path: Path, folder: Path) -> Curation:
    """Sort the rows of the file at ``path`` and write the good and the bad ones to Parquet files in ``folder``.

    Each row of the file is curated, rejected or repeated. Only the source's SQL changes rows.

    Raises
    ------
    FileRefused
        The file can't be read, has no rows, lacks columns, or needs more memory than there is.
    SourceFailed
        The source's SQL fails on good rows, or its contract would change values.
    """
    contract = Contract(source, resolve(source.contract))
    connection = connect(folder / "spill")
    try:
        return _curate(connection, source, contract, upload, path, folder)
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        raise FileRefused(
            "the file needs more memory than ingestion has: split it, or give it fewer columns or shorter values "
            f"({clipped(' '.join(str(error).split()), 200)})"
        ) from error
    finally:
        connection.close()


def _curate(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    contract: Contract,
    upload: Upload,
    path: Path,
    folder: Path,
) -> Curation:
    try:
        landed = read(connection, upload, path, source, contract, folder / "cells")
    except FileRefused as error:
        raise FileRefused(clipped(error.message, LONGEST_REFUSAL)) from error
    rows_in = _count(connection, "raw") + len(landed.malformed)
    if rows_in == 0:
        raise FileRefused("the file has no rows")
    rejections = Reasons(connection, "rejections")
    rejections.add(
        Reason(entry.row, entry.reason, entry.rule) for entry in (*landed.malformed, *landed.misfits)
    )  # fmt: skip
    columns = contract.columns(landed.columns)
    convert(
        connection, columns, landed.types, source, rejections, folder / "cells", delimited=upload.suffix in DELIMITED
    )
    judge(connection, contract, columns, rejections, CHUNK)
    rejected = rejections.rows()
    connection.execute(
        f"CREATE OR REPLACE VIEW good AS SELECT * FROM typed WHERE {ROW} NOT IN "
        f"(SELECT row_number FROM {rejections.table})"
    )
    repeats = _repeated(connection, source)
    repeated = repeats.rows()
    quarantine = folder / "quarantine.parquet" if rejected or repeated else None
    if quarantine:
        _write_quarantine(connection, landed, quarantine, folder / "cells")
    refusal = _refusal(source, rejections, rejected, rows_in)
    curated = folder / "curated.parquet"
    return Curation(
        rows_in=rows_in,
        rows_out=0 if refusal else _write_curated(connection, source, curated),
        rows_rejected=rejected,
        rows_repeated=repeated,
        reasons=(*rejections.summary(), *repeats.summary()),
        curated=curated,
        quarantine=quarantine,
        refusal=refusal,
    )


def _refusal(source: Source, rejections: Reasons, rejected: int, rows_in: int) -> str:
    """Why the whole file is refused; empty if it isn't."""
    if rejected <= source.max_rejected * rows_in and rejected != rows_in:
        return ""
    summary, rules = rejections.summary(), rejections.rules()
    hidden = rules - SHOWN_RULES
    more = f"; and {hidden} more rule{'' if hidden == 1 else 's'}" if hidden > 0 else ""
    shown = "; ".join(summary[:SHOWN_RULES]) + more
    return f"{rejected:,} of {rows_in:,} rows rejected (limit {source.max_rejected * 100:.4g}%): {shown}"


def _repeated(connection: duckdb.DuckDBPyConnection, source: Source) -> Reasons:
    """The rows of ``good`` whose keys an earlier row has."""
    repeats = Reasons(connection, "repeats")
    if not source.keys:
        return repeats
    if lacking := [key for key in source.keys if key not in columns_of(connection, "good")]:
        raise SourceFailed(f"source {source.name!r}: its keys {', '.join(lacking)} are no columns of its rows")
    keys = ", ".join(map(quoted, source.keys))
    said = "same " + ", ".join(source.keys)
    connection.execute(
        f"INSERT INTO {repeats.table} SELECT {ROW}, ? || ' as row ' || first, 'repeated' FROM "
        f"(SELECT {ROW}, min({ROW}) OVER (PARTITION BY {keys}) AS first FROM good QUALIFY {ROW} > first)",
        [said],
    )
    return repeats


def _write_quarantine(connection: duckdb.DuckDBPyConnection, landed: Landed, path: Path, scratch: Path) -> None:
    """The rejected rows as they landed, each with its number and reasons; lines that aren't rows as text."""
    lines = _table_of_lines(connection, landed.malformed, scratch)
    write_parquet(
        connection,
        f"""
        SELECT refused.row_number, reasons, {lines}.line, raw.* EXCLUDE ({ROW})
        FROM (
            SELECT row_number, list(reason ORDER BY place, seq) AS reasons
            FROM (
                SELECT row_number, reason, 0 AS place, rowid AS seq FROM rejections
                UNION ALL SELECT row_number, reason, 1, rowid FROM repeats
            )
            GROUP BY row_number
        ) AS refused
        LEFT JOIN {lines} ON {lines}.row_number = refused.row_number
        LEFT JOIN raw ON raw.{ROW} = refused.row_number
        ORDER BY refused.row_number
        """,
        path,
    )


def _table_of_lines(connection: duckdb.DuckDBPyConnection, malformed: Iterable[MalformedLine], scratch: Path) -> str:
    with CellFile(scratch / "lines.csv", ["row_number", "line"]) as cells:
        cells.write((str(entry.row), entry.line or NULL) for entry in malformed)
    connection.execute(
        "CREATE OR REPLACE TABLE malformed AS SELECT CAST(row_number AS BIGINT) AS row_number, line "
        f"FROM {cells.select()}"
    )
    cells.path.unlink()
    return "malformed"


def _write_curated(connection: duckdb.DuckDBPyConnection, source: Source, path: Path) -> int:
    try:
        connection.execute(
            f"CREATE TABLE landed AS SELECT * EXCLUDE ({ROW}) FROM good "
            f"WHERE {ROW} NOT IN (SELECT row_number FROM repeats) ORDER BY {ROW}"
        )
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
    except duckdb.OutOfMemoryException:
        raise
    except NotKept as error:
        raise SourceFailed(f"source {source.name!r}: its SQL yields {error.message}") from error
    except duckdb.Error as error:
        raise SourceFailed(f"source {source.name!r}: its SQL fails: {' '.join(str(error).split())[:500]}") from error


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {quoted(table)}").fetchone()
    return int(row[0]) if row else 0
