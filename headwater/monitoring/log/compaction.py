"""Records of the prediction log as Parquet: pure, nothing here calls AWS."""

# ruff: noqa: S608 - what stands in the SQL are the columns of our own and quoted paths
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pandas

from headwater.lake.database import literal
from headwater.monitoring.log.records import COLUMNS, Record
from headwater.monitoring.log.types import Part, digest_of, part_name

MOST_ROWS = 100_000
"""Rows of a part; a record isn't split, so one may have 99 more."""
MOST_CHARACTERS = 64 * 2**20
"""JSON in a part: wide features fill memory before rows do."""
_PANDAS = {"BIGINT": "int64", "TIMESTAMPTZ": "int64", "DOUBLE": "float64", "VARCHAR": "object"}


def batches(
    records: Iterable[Record], *, rows: int = MOST_ROWS, characters: int = MOST_CHARACTERS
) -> Iterator[list[Record]]:
    """The records in their order, as many together as fit into a part."""
    batch: list[Record] = []
    count = size = 0
    for record in records:
        batch.append(record)
        count, size = count + len(record.rows), size + record.size
        if count >= rows or size >= characters:
            yield batch
            batch, count, size = [], 0, 0
    if batch:
        yield batch


def write_part(connection: duckdb.DuckDBPyConnection, records: Sequence[Record], path: Path) -> Part:
    """Write records of one hour as a Parquet file, in the order in which they were received; returns what it holds."""
    rows = [row for record in records for row in record.rows]
    cells = zip(*rows, strict=True)
    frame = pandas.DataFrame(
        {name: pandas.Series(list(column), dtype=_PANDAS[kind])
         for (name, kind), column in zip(COLUMNS.items(), cells, strict=True)}
    )  # fmt: skip
    connection.register("__rows", frame)
    try:
        columns = ", ".join(f"{_typed(name, kind)} AS {name}" for name, kind in COLUMNS.items())
        connection.execute(
            f"COPY (SELECT {columns} FROM __rows ORDER BY received_at, request_id, instance) "
            f"TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)"
        )
    finally:
        connection.unregister("__rows")
    ids = [record.request_id for record in records]
    return Part(name=part_name(ids), records=len(ids), rows=len(rows), digest=f"{digest_of(ids):064x}")


def ids_in(connection: duckdb.DuckDBPyConnection, path: Path) -> set[str]:
    """The request ids in a part."""
    found = connection.execute(f"SELECT DISTINCT request_id FROM read_parquet({literal(str(path))})").fetchall()
    return {row[0] for row in found}


def _typed(name: str, kind: str) -> str:
    if kind == "TIMESTAMPTZ":
        return f"make_timestamptz({name})"
    if kind == "DOUBLE":
        # pandas has no other gap in floats than NaN, and what was logged is finite.
        return f"CASE WHEN isnan({name}) THEN NULL ELSE CAST({name} AS DOUBLE) END"
    return f"CAST({name} AS {kind})"


def quarantined(key: str, etag: str, reason: str, body: bytes) -> dict[str, Any]:
    """The document that is kept of a torn record: its key, why it can't be read, and its bytes."""
    try:
        text: dict[str, Any] = {"text": body.decode()}
    except UnicodeDecodeError:
        text = {"latin1": body.decode("latin-1")}
    return {"format": 1, "key": key, "etag": etag, "reason": reason, **text}
