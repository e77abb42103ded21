"""The prediction log's JSON as rows: each value as it was logged, or the reason why a record can't be read.

The JSON is walked, not loaded: inputs, features and views go on as the very text that was logged, so no digit of a
number and no character of a string passes through Python.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from json.decoder import scanstring  # type: ignore[attr-defined]
from math import isfinite
from typing import Any, NamedTuple, NoReturn

from headwater.serving.types import RECORD_FORMAT

COLUMNS = {
    "prediction_id": "VARCHAR", "request_id": "VARCHAR", "instance": "BIGINT", "model": "VARCHAR",
    "version": "BIGINT", "alias": "VARCHAR", "run_id": "VARCHAR", "data_version": "VARCHAR",
    "received_at": "TIMESTAMPTZ", "answered_at": "TIMESTAMPTZ", "as_of": "TIMESTAMPTZ", "features_from": "VARCHAR",
    "output_name": "VARCHAR", "output": "DOUBLE", "missing_features": "VARCHAR", "feature_age_seconds": "DOUBLE",
    "inputs": "VARCHAR", "features": "VARCHAR", "views": "VARCHAR",
}  # fmt: skip
"""Columns of a compacted prediction and their types in DuckDB. Four are JSON text, exactly as logged:
``missing_features``, ``inputs``, ``features`` and ``views``."""
TIMES = tuple(name for name, kind in COLUMNS.items() if kind == "TIMESTAMPTZ")
OUTPUTS = ("probability", "value")
LONGEST_REASON = 300
DEEPEST = 200
"""Objects and arrays in each other; a request has at most a handful."""

_KEY = re.compile(r"(?P<model>[^/]+)/date=(?P<day>\d{4}-\d\d-\d\d)/(?:hour=(?P<hour>\d\d)/)?(?P<id>[^/]+)\.json")
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_BLANK = frozenset(" \t\n\r")
_WHOLE = re.compile(r"-?[0-9]+")
_TOO_FINE = re.compile(r"[.,][0-9]{7}")
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


class Torn(ValueError):
    """A record that can't be read; the message says why."""


class _Digits(str):
    """A number as it is written."""

    __slots__ = ()


class _Cell(NamedTuple):
    value: Any
    text: str


@dataclass(frozen=True, slots=True)
class RecordKey:
    """Model, day, hour and request id, as a record's key has them."""

    model: str
    day: date
    hour: int | None
    """None of records from before keys had hours."""
    request_id: str

    @classmethod
    def parse(cls, key: str) -> RecordKey:
        """Read a key; raises `Torn` if it isn't a record's."""
        found = _KEY.fullmatch(key)
        try:
            if found is None:
                raise ValueError("no record's key")
            hour = int(found["hour"]) if found["hour"] else None
            return cls(found["model"], date.fromisoformat(found["day"]), hour, found["id"])
        except ValueError:
            raise Torn(
                f"its key {key[-160:]!r} is no record's: expected <model>/date=YYYY-MM-DD/hour=HH/<request id>.json"
            ) from None


def request_in(key: str) -> str:
    """The request id that a key names; the whole key of what is no record's, which is always read."""
    try:
        return RecordKey.parse(key).request_id
    except Torn:
        return key


@dataclass(frozen=True, slots=True)
class Record:
    """A record that can be read."""

    request_id: str
    hour: datetime
    """The hour in which the request was received, UTC."""
    rows: list[tuple[Any, ...]]
    """One for each instance, in the order of `COLUMNS`; times are microseconds since 1970."""
    size: int
    """Characters of its JSON."""


def read(body: bytes, key: str) -> Record:
    """The rows of a record.

    Parameters
    ----------
    body : bytes
        The JSON object that was logged.
    key : str
        Its key in the predictions bucket, which the record must agree with.

    Raises
    ------
    Torn
        It is no JSON, lacks a field, is another model's or hour's, or a value can't be kept exactly.
    """
    named = RecordKey.parse(key)
    try:
        text = body.decode()
        if _is_deep(text):
            raise Torn("its JSON is nested too deeply")
        found, end = _object(text, _after_space(text, 0))
        if _after_space(text, end) != len(text):
            raise Torn(f"something follows the JSON object, at character {end}")
    except Torn:
        raise
    except UnicodeDecodeError as error:
        raise Torn(f"it isn't UTF-8, at byte {error.start}") from error
    except RecursionError as error:
        raise Torn("its JSON is nested too deeply") from error
    except (ValueError, IndexError) as error:
        raise Torn(f"it isn't JSON: {error}") from error
    return _record(found, named, len(text))


def _is_deep(text: str) -> bool:
    """Whether brackets stand too deep in each other; Python's own limit is whatever a library has set it to."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return False
    depth = 0
    for found in _BRACKETS.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        if depth > DEEPEST:
            return True
    return False


def _record(found: dict[str, _Cell], named: RecordKey, size: int) -> Record:
    if (given := _whole(found, "format")) != RECORD_FORMAT:
        raise Torn(f"it is of format {given}, this version of Headwater reads format {RECORD_FORMAT}")
    texts = {name: _text(found, name) for name in ("request_id", "model", "alias", "run_id", "data_version")}
    source, version = _text(found, "features_from"), _whole(found, "version")
    received, answered, as_of = (_time(found, name) for name in TIMES)
    for name, expected in (("model", named.model), ("request_id", named.request_id)):
        if texts[name] != expected:
            raise Torn(f"its {name} is {texts[name][:80]!r}, but it lies under {expected!r}")
    hour = (received.astimezone(UTC)).replace(minute=0, second=0, microsecond=0)
    if hour.date() != named.day or named.hour not in (None, hour.hour):
        raise Torn(f"it was received at {received.isoformat()}, but it lies under another {_lies(named)}")
    times = tuple((time - _EPOCH) // _MICROSECOND for time in (received, answered, as_of))
    request = texts["request_id"]
    head = (texts["model"], version, texts["alias"], texts["run_id"], texts["data_version"], *times, source)
    instances = _cell(found, "predictions").value
    if not isinstance(instances, list) or not instances:
        raise Torn("its predictions aren't a list with at least one entry")
    rows = [
        (f"{request}.{number}", request, number, *head, *_instance(cells, number))
        for number, cells in enumerate(instances)
    ]
    return Record(request, hour, rows, size)


def _lies(named: RecordKey) -> str:
    return f"day, {named.day}" if named.hour is None else f"hour, {named.day}T{named.hour:02}"


def _instance(cells: dict[str, _Cell], number: int) -> tuple[Any, ...]:
    try:
        given = [name for name in OUTPUTS if name in cells]
        if len(given) != 1:
            raise Torn("it has neither a probability nor a value" if not given else "it has a probability and a value")
        for name, kind, called in (("inputs", dict, "an object"), ("features", dict, "an object"),
                                   ("missing_features", list, "a list")):  # fmt: skip
            if not isinstance(_cell(cells, name).value, kind):
                raise Torn(f"its {name} aren't {called}")
        age, views = _cell(cells, "feature_age_seconds").value, cells.get("views")
        return (
            given[0],
            _float(cells[given[0]].value, given[0]),
            cells["missing_features"].text,
            None if age is None else _float(age, "feature_age_seconds"),
            cells["inputs"].text,
            cells["features"].text,
            views.text if views else None,
        )
    except Torn as error:
        raise Torn(f"predictions[{number}]: {error}") from None


# -- cells --------------------------------------------------------------------------------------------------------


def _cell(found: dict[str, _Cell], name: str) -> _Cell:
    if name not in found:
        raise Torn(f"it has no {name}")
    return found[name]


def _text(found: dict[str, _Cell], name: str) -> str:
    value = _cell(found, name).value
    if type(value) is not str:
        raise Torn(f"its {name} is no text: {found[name].text[:80]}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Torn(f"its {name} has half a surrogate pair: {found[name].text[:80]}") from None
    return value


def _whole(found: dict[str, _Cell], name: str) -> int:
    value = _cell(found, name).value
    if type(value) is not _Digits or not _WHOLE.fullmatch(value) or len(value) > 18:
        raise Torn(f"its {name} is no whole number: {found[name].text[:80]}")
    return int(value)


def _float(value: Any, name: str) -> float:
    if type(value) is not _Digits:
        raise Torn(f"its {name} is no number: {str(value)[:80]}")
    number = float(value)
    if not isfinite(number) or (_WHOLE.fullmatch(value) and len(value) > 15 and int(number) != _int(value)):
        raise Torn(f"its {name} {value[:80]} is no float64")
    return number


def _int(text: str) -> int:
    # No float64 has more digits; Python reads no longer text as a number.
    return int(text) if len(text) < 400 else -1


def _time(found: dict[str, _Cell], name: str) -> datetime:
    text = _text(found, name)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Torn(f"its {name} is no time: {text[:80]!r}") from None
    if time.tzinfo is None:
        raise Torn(f"its {name} {text!r} has no time zone")
    if _TOO_FINE.search(text):
        raise Torn(f"its {name} {text[:80]!r} is finer than microseconds")
    return time


# -- JSON ---------------------------------------------------------------------------------------------------------


def _refuse_constant(name: str) -> NoReturn:
    raise Torn(f"{name} is no JSON value")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise Torn("an object in it has one name twice")
    return made


_DECODER = json.JSONDecoder(
    parse_constant=_refuse_constant, parse_float=_Digits, parse_int=_Digits, object_pairs_hook=_once
)


def _object(text: str, at: int, *, inside: bool = False) -> tuple[dict[str, _Cell], int]:
    """The members of the JSON object at ``at``, each with its text, and where the object ends."""
    if text[at : at + 1] != "{":
        raise Torn(f"it isn't JSON: expected an object at character {at}" if text else "it is empty")
    found: dict[str, _Cell] = {}
    at = _after_space(text, at + 1)
    if text[at : at + 1] == "}":
        return found, at + 1
    while True:
        if text[at : at + 1] != '"':
            raise Torn(f"it isn't JSON: expected a name at character {at}")
        name, at = scanstring(text, at + 1, True)
        at = _after(text, at, ":")
        start = at
        if name == "predictions" and not inside and text[at : at + 1] == "[":
            value, at = _instances(text, at)
        else:
            value, at = _DECODER.raw_decode(text, at)
        if name in found:
            raise Torn(f"it has {name[:80]!r} twice")
        found[name] = _Cell(value, text[start:at])
        at = _after_space(text, at)
        if text[at : at + 1] == "}":
            return found, at + 1
        at = _after(text, at, ",")


def _instances(text: str, at: int) -> tuple[list[dict[str, _Cell]], int]:
    found: list[dict[str, _Cell]] = []
    at = _after_space(text, at + 1)
    if text[at : at + 1] == "]":
        return found, at + 1
    while True:
        members, at = _object(text, at, inside=True)
        found.append(members)
        at = _after_space(text, at)
        if text[at : at + 1] == "]":
            return found, at + 1
        at = _after(text, at, ",")


def _after(text: str, at: int, sign: str) -> int:
    """Where the next value or name begins, behind ``sign``."""
    at = _after_space(text, at)
    if text[at : at + 1] != sign:
        raise Torn(f"it isn't JSON: expected {sign} at character {at}")
    return _after_space(text, at + 1)


def _after_space(text: str, at: int) -> int:
    """Where something else than white space stands. Mostly it is none or one, for which a pattern takes longer."""
    while text[at : at + 1] in _BLANK:
        at += 1
    return at
