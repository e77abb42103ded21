"""Instances to predict, as people have them: JSON on the command line, or a file."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from headwater.errors import InvalidRequest
from headwater.json_values import loads, number_of


def read_instances(
    inputs: Sequence[str], file: Path | None, kinds: Callable[[], Mapping[str, str]]
) -> list[dict[str, Any]]:
    """All instances that were given, those of ``inputs`` first.

    Parameters
    ----------
    inputs : sequence of str
        A JSON object each.
    file : Path, optional
        A JSON list, JSON lines, or CSV with a header; ``-`` for stdin.
    kinds : callable
        Input name to kind, as the model's card has them; asked for a CSV file only, which doesn't say what is a number.

    Raises
    ------
    InvalidRequest
        None were given, or one can't be read; the message says which.
    """
    found = [json_object(text, f"--input {number}") for number, text in enumerate(inputs, start=1)]
    if file is not None:
        found += _read(file, kinds)
    if not found:
        raise InvalidRequest(
            "no instance was given: pass --input '{\"name\": value}' or --file rows.csv",
            next_steps=["headwater predict --help"],
        )
    return found


def _read(file: Path, kinds: Callable[[], Mapping[str, str]]) -> list[dict[str, Any]]:
    if str(file) == "-":
        text = sys.stdin.read()
    else:
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidRequest(f"{file} can't be read: {error}") from error
    if file.suffix.lower() == ".csv" or (str(file) == "-" and text.lstrip()[:1] not in {"[", "{"}):
        known = kinds()
        table = csv.DictReader(io.StringIO(text, newline=""))
        return [_instance(row, known, f"{file} line {table.line_num}") for row in table]
    try:
        whole = loads(text)
    except ValueError:
        lines = [line for line in text.splitlines() if line.strip()]
        return [json_object(line, f"{file} line {number}") for number, line in enumerate(lines, start=1)]
    if isinstance(whole, dict):
        whole = whole["instances"] if isinstance(whole.get("instances"), list) else [whole]
    if not isinstance(whole, list) or not all(isinstance(entry, dict) for entry in whole):
        raise InvalidRequest(f"{file} must hold a list of objects, one for each instance")
    return whole


def json_object(text: str, where: str, example: str = '{"rooms": 4}') -> dict[str, Any]:
    """A JSON object from a text.

    Raises
    ------
    InvalidRequest
        The text at ``where`` is something else; the message shows ``example``.
    """
    try:
        value = loads(text)
    except ValueError as error:
        raise InvalidRequest(f"{where} is no JSON: {error}. Write it like '{example}'") from error
    if not isinstance(value, dict):
        raise InvalidRequest(f"{where} must be an object like {example}, not {text}")
    return value


def number_or_text(cell: str) -> int | float | Decimal | str:
    """A cell's number; a cell that holds none stays as it is, for the API's message about it is the better one."""
    number = number_of(cell)
    return cell if number is None else number


def _instance(row: Mapping[Any, Any], kinds: Mapping[str, str], where: str) -> dict[str, Any]:
    if None in row or None in row.values():
        raise InvalidRequest(f"{where} has {'more' if None in row else 'fewer'} cells than the header")
    return {name: _value(cell, kinds.get(name)) for name, cell in row.items()}


def _value(cell: str, kind: str | None) -> Any:
    """A CSV's cell as JSON would say it: the API takes numbers for numbers and text for text."""
    if not cell or (cell == "NA" and kind != "category"):
        return None
    return number_or_text(cell) if kind == "number" else cell
