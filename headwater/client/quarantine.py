"""Reads quarantined rows of an upload with DuckDB: the first ones for people, all of them into a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from headwater.client.errors import BadTarget, needed
from headwater.lake.store import Objects
from headwater.lake.types import cut
from headwater.storage.clients import Clients
from headwater.values import Pointer, Value

SHOWN_ROWS = 20
FORMATS = {
    ".csv": "FORMAT csv, HEADER",
    ".parquet": "FORMAT parquet",
    ".jsonl": "FORMAT json",
    ".ndjson": "FORMAT json",
}


class RejectedRow(Value):
    """A row in quarantine."""

    row: int
    """The row's number in the file, from 1."""
    reasons: tuple[str, ...]
    """Why the row was rejected, with the rejected values."""


def require_format(path: Path) -> None:
    """Raise `BadTarget` if a file of that name can't hold quarantined rows."""
    if path.suffix.lower() not in FORMATS:
        raise BadTarget(f"{path}: its name must end with {', '.join(FORMATS)}")


def first_rows(pointer: Pointer, clients: Clients) -> tuple[int, tuple[RejectedRow, ...]]:
    """The number of all quarantined rows, and the first `SHOWN_ROWS`.

    Raises
    ------
    BadTarget, VersionGone
        DuckDB isn't installed here, or the rows, which are kept for 180 days, are gone.
    """
    with _reading(pointer, clients) as (connection, table):
        found = connection.execute(
            f"SELECT row_number, reasons FROM {table} ORDER BY 1 LIMIT {SHOWN_ROWS}"  # noqa: S608 - our own name
        ).fetchall()
        rows = tuple(RejectedRow(row=row, reasons=tuple(map(cut, reasons))) for row, reasons in found)
        return _count(connection, table), rows


def write_rows(pointer: Pointer, path: Path, clients: Clients) -> int:
    """Write all quarantined rows to ``path``, in the format of its suffix. Returns their number.

    Raises
    ------
    BadTarget, VersionGone
        The file can't be written or DuckDB isn't installed here; or the rows, which are kept for 180 days, are gone.
    """
    suffix = path.suffix.lower()
    with _reading(pointer, clients) as (connection, table):
        import duckdb

        from headwater.lake.database import literal

        columns = [row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()]
        if suffix == ".csv" and "reasons" in columns:
            # CSV has no lists.
            listed = f"SELECT * REPLACE (array_to_string(reasons, '; ') AS reasons) FROM {table}"  # noqa: S608
        else:
            listed = f"FROM {table}"
        made = path.with_name(f".{path.name}.part")
        try:
            connection.execute(f"COPY ({listed}) TO {literal(str(made))} ({FORMATS[suffix]})")
            made.replace(path)
        except (OSError, duckdb.Error) as error:
            made.unlink(missing_ok=True)
            raise BadTarget(f"{path} can't be written: {' '.join(str(error).split())}") from error
        return _count(connection, table)


@contextmanager
def _reading(pointer: Pointer, clients: Clients) -> Iterator[tuple[Any, str]]:
    """A database, and the name of its table with the quarantined rows."""
    with needed("quarantined rows are read by DuckDB"):
        from headwater.lake.database import connect, literal
    with TemporaryDirectory(prefix="headwater-quarantine-") as scratch:
        path = Path(scratch) / "rows.parquet"
        Objects(pointer.bucket, clients).fetch(pointer, path)
        connection = connect(Path(scratch) / "spill")
        try:
            connection.execute(f"CREATE VIEW quarantined AS FROM read_parquet({literal(str(path))})")
            yield connection, "quarantined"
        finally:
            connection.close()


def _count(connection: Any, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608
