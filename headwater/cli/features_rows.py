"""Entities from the command line, and rows to be streamed from their files."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater.cli.predict_instances import json_object, number_or_text
from headwater.errors import InvalidRequest

if TYPE_CHECKING:
    from headwater.declare import FeatureView


def keys_of(view: FeatureView, keys: Sequence[str]) -> list[dict[str, str]]:
    """Entities from the command line: the values of the join keys, with commas between them.

    Raises
    ------
    InvalidRequest
        There are more or fewer values than join keys.
    """
    entities = []
    for key in keys:
        values = next(csv.reader([key]), [])
        if len(values) != len(view.entity):
            example = ",".join(f"<{name}>" for name in view.entity)
            raise InvalidRequest(
                f"key {key!r} has {len(values)} values, and {view.name} is looked up by {', '.join(view.entity)}: "
                f"write {example} for each entity"
            )
        entities.append(dict(zip(view.entity, values, strict=True)))
    return entities


def read_rows(file: Path, view: FeatureView | None) -> Iterator[dict[str, Any]]:
    """A file's rows, one after the other: CSV with a header, JSON lines, or Parquet, by the name's ending.

    Parameters
    ----------
    file : Path
    view : FeatureView, optional
        Says which cells of CSV are numbers, and which text: digits stay text in a feature that is.

    Raises
    ------
    InvalidRequest
        It can't be read; the message says where.
    """
    kind = file.suffix.lower()
    if kind == ".parquet":
        yield from _parquet(file)
        return
    if kind not in {".csv", ".jsonl", ".ndjson"}:
        raise InvalidRequest(f"{file}: rows come as .csv, .jsonl or .parquet")
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            if kind == ".csv":
                cells = (
                    {feature.name: _text if feature.is_text else _number for feature in view.features} if view else {}
                )
                table = csv.DictReader(lines)
                for row in table:
                    if None in row:
                        raise InvalidRequest(
                            f"{file} line {table.line_num} has more cells than the header, which names "
                            f"{len(table.fieldnames or ())}: quote those that hold a comma"
                        )
                    yield {name: cells[name](cell) if name in cells else cell for name, cell in row.items()}
            else:
                for number, line in enumerate(lines, start=1):
                    if line.strip():
                        yield json_object(line, f"{file} line {number}", '{"carrier": "B6", "event_time": "..."}')
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidRequest(f"{file} can't be read: {error}") from error


def _parquet(file: Path) -> Iterator[dict[str, Any]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise InvalidRequest(
            f"Parquet is read by Arrow, which isn't installed: {error}", next_steps=["pip install 'headwater[arrow]'"]
        ) from error
    try:
        with parquet.ParquetFile(file) as opened:
            for batch in opened.iter_batches(batch_size=1000):
                yield from batch.to_pylist()
    except (OSError, ArrowException) as error:
        raise InvalidRequest(f"{file} can't be read: {error}") from error


def _text(cell: str | None) -> str | None:
    return cell or None


def _number(cell: str | None) -> Any:
    """A feature's cell as JSON would say it."""
    if cell is None or cell in {"", "NA"}:
        return None
    if cell.lower() in {"true", "false"}:
        return float(cell.lower() == "true")
    return number_or_text(cell)
