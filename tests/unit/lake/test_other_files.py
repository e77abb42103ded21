"""Test files of csvkit, agate and pyarrow are read as Python reads them, or refused with the reason."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from tests.unit.lake.curating import ANYTHING, curated

FILES = Path(__file__).parent / "files"
REFUSED = {
    "csvkit/empty.csv": "the first line names no columns",
    "csvkit/no_header_row.csv": "the file has no rows",
    "csvkit/test_latin1.csv": "byte 0xA9 in row 2: the file isn't UTF-8; it looks like cp1252",
    "csvkit/test_utf16_big.csv": "its byte order mark says utf-16",
    "csvkit/test_utf16_little.csv": "its byte order mark says utf-16",
    "csvkit/test_empty_columns.csv": "the header has a column without a name: number 4",
    "csvkit/test_geojson.json": "expected one object a line",
    "agate/test.json": "the file is a JSON array",
    "agate/test_mixed.json": "the file is a JSON array",
    "agate/test_keyed.json": "expected one object a line",
    "agate/test_utf16_big.csv": "its byte order mark says utf-16",
}
DECLARED: dict[str, dict[str, Any]] = {
    "csvkit/test_latin1.csv": {"encoding": "latin-1"},
    "csvkit/test_utf16_big.csv": {"encoding": "utf-16"},
    "csvkit/test_utf16_little.csv": {"encoding": "utf-16"},
    "agate/test_utf16_big.csv": {"encoding": "utf-16"},
    "csvkit/test_skip_lines.csv": {"skiprows": 3},
}


def named(*suffixes: str) -> list[str]:
    return sorted(str(path.relative_to(FILES)) for path in FILES.glob("*/*") if path.suffix in suffixes)


def by_python(body: bytes, encoding: str, skiprows: int, delimiter: str) -> tuple[list[str], list[tuple[str, ...]]]:
    text = body.decode(encoding).removeprefix("\ufeff")
    lines = text.splitlines(keepends=True)[skiprows:] if skiprows else io.StringIO(text, newline="")
    header, *rows = [tuple(row) for row in csv.reader(lines, delimiter=delimiter) if row]
    return [name.strip() for name in header], rows


@pytest.mark.parametrize("name", [name for name in named(".csv", ".tsv") if name not in REFUSED or name in DECLARED])
def test_each_csv_file_is_read_as_pythons_csv_reads_it(name: str) -> None:
    declared, body = DECLARED.get(name, {}), (FILES / name).read_bytes()
    delimiter = "\t" if name.endswith(".tsv") else ","
    header, rows = by_python(body, declared.get("encoding", "utf-8-sig"), declared.get("skiprows", 0), delimiter)
    found = curated(ANYTHING, name.rpartition("/")[2], body, missing=(), **declared)
    assert list(found.types) == header
    assert found.rows == [row for row in rows if len(row) == len(header)]
    ragged = [number for number, row in enumerate(rows, start=1) if len(row) != len(header)]
    assert list(found.rejected) == ragged


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_refused_says_why(name: str) -> None:
    assert REFUSED[name] in curated(ANYTHING, name.rpartition("/")[2], (FILES / name).read_bytes()).refusal


@pytest.mark.parametrize("name", [name for name in named(".json") if name not in REFUSED])
def test_each_file_of_json_lines_is_read_as_pythons_json_reads_it(name: str) -> None:
    body = (FILES / name).read_bytes()
    found = curated(ANYTHING, name.rpartition("/")[2], body)
    lines = [json.loads(line) for line in body.splitlines() if line.strip()]
    assert [dict(zip(found.types, row, strict=True)) for row in found.rows] == [
        {key: line.get(key) for key in found.types} for line in lines
    ]


@pytest.mark.parametrize("name", named(".parquet"))
def test_each_parquet_file_is_read_as_pyarrow_reads_it(name: str) -> None:
    found = curated(ANYTHING, name.rpartition("/")[2], (FILES / name).read_bytes())
    rows = pyarrow.parquet.read_table(FILES / name).to_pylist()

    def in_utc(value: Any) -> Any:
        return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) and value.tzinfo else value

    assert found.rows == [tuple(map(in_utc, row.values())) for row in rows]
