"""Reads a landed file into DuckDB: CSV (gzipped or not), Parquet or JSON lines.

No cell is interpreted here: cells of CSV and JSON files are text as in the file, and Parquet's have the file's types.
`headwater.lake.conversion` interprets the cells by the contract.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import duckdb

from headwater.declare import Source
from headwater.lake.errors import FileRefused
from headwater.lake.reading import delimited, json_lines, parquet
from headwater.lake.reading.landed import ROW, Landed, MalformedLine, Wanted
from headwater.lake.types import SUFFIXES, Upload

__all__ = ["ROW", "Landed", "MalformedLine", "Wanted", "read"]

DELIMITED = (".csv", ".tsv", ".txt")
MAGIC = {
    b"\x1f\x8b": "gzipped: let its name end in .gz",
    b"PK\x03\x04": "a zip archive, as Excel workbooks are: save the table as CSV",
    b"PAR1": "Parquet: let its name end in .parquet",
}


def read(
    connection: duckdb.DuckDBPyConnection, upload: Upload, path: Path, source: Source, wanted: Wanted, scratch: Path
) -> Landed:
    """Make the table ``raw`` from the file at ``path``, which was uploaded as ``upload.file``.

    Parameters
    ----------
    connection : DuckDBPyConnection
    upload : Upload
    path : Path
    source : Source
        Its encoding, dialect and texts for what is missing.
    wanted : Wanted
        The contract's demands on the columns.
    scratch : Path
        A folder for files that are needed until the table is made.

    Raises
    ------
    FileRefused
        The file's content doesn't match its suffix, the suffix is unknown, the header is missing, or columns are
        missing.
    """
    if upload.suffix not in SUFFIXES:
        raise FileRefused(
            f"can't tell from the name {upload.file!r} what it holds, expected one of {', '.join(SUFFIXES)}"
        )
    if path.stat().st_size == 0:
        raise FileRefused("the file is empty")
    gzipped = upload.file.lower().endswith(".gz")
    try:
        if upload.suffix in DELIMITED:
            _refuse_disguised(path, gzipped=gzipped)
            return delimited.read(
                connection, path, source, wanted, scratch, tabs=upload.suffix == ".tsv", gzipped=gzipped
            )
        if upload.suffix == ".parquet":
            return parquet.read(connection, path, wanted)
        _refuse_disguised(path, gzipped=gzipped)
        landed = json_lines.read(connection, path, source, wanted, scratch, gzipped=gzipped)
    except (duckdb.OutOfMemoryException, MemoryError):
        raise
    except (duckdb.Error, OSError, EOFError, zlib.error, UnicodeError) as error:
        # DuckDB quotes our own SQL below its words.
        words = str(error).partition("\nLINE ")[0].replace(str(path), upload.file)
        said = " ".join(words.split())
        raise FileRefused(f"can't be read as {upload.suffix.lstrip('.')}: {said[:300]}") from error
    if not landed.columns and landed.malformed:
        first = landed.malformed[0]
        raise FileRefused(
            f"can't be read as {upload.suffix.lstrip('.')}: row {first.row}: {first.reason}; expected one object a line"
        )
    return landed


def _refuse_disguised(path: Path, *, gzipped: bool) -> None:
    with path.open("rb") as file:
        first = file.read(4)
    for magic, words in MAGIC.items():
        if first.startswith(magic) and not (gzipped and magic == b"\x1f\x8b"):
            raise FileRefused(f"the file is {words}")
