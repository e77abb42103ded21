"""From a part's rows to what it adds to each day: pure, and the same whoever counts it and how often."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, cast

import numpy as np
import pandas

from headwater.features.errors import InvalidInput
from headwater.features.inputs import encode
from headwater.monitoring.days.types import PartDay, PartName, segment_names
from headwater.monitoring.days.versions import Versions
from headwater.monitoring.drift.bank import Bank
from headwater.monitoring.profiles.counting import profile_of
from headwater.monitoring.profiles.types import WindowProfile
from headwater.registry.types import Package

WANTED = ("prediction_id", "version", "as_of", "output", "inputs", "features")
"""Columns that counting reads."""
NAMED = 5
"""Rows that couldn't be counted and are named."""

Key = tuple[date, int]


@dataclass
class _Rows:
    """Rows of one version and day, gathered frame by frame."""

    hours: list[int] = field(default_factory=list)
    outputs: list[float] = field(default_factory=list)
    columns: dict[str, list[Any]] = field(default_factory=dict)
    rows: int = 0
    skipped: int = 0
    reasons: list[str] = field(default_factory=list)


class PartCounter:
    """Counts the predictions of one part.

    Parameters
    ----------
    model : str
    part : PartName
        Of hand-made parts, which aren't stored, the name may be any.
    versions : Versions
        Where banks and packages come from; of a version that has none rows are only numbered.
    """

    def __init__(self, model: str, part: PartName, versions: Versions) -> None:
        self._model, self._part, self._versions = model, part, versions
        self._rows: dict[Key, _Rows] = {}

    def add(self, frame: pandas.DataFrame) -> None:
        """Take in some of the part's rows, with the columns `WANTED`."""
        days = frame["as_of"].dt.tz_convert("UTC").dt.date
        for key, rows in frame.groupby([days, "version"], sort=True):
            day, version = cast("tuple[date, int]", key)
            found = self._rows.setdefault((day, int(version)), _Rows())
            found.rows += len(rows)
            known = self._versions.get(self._model, int(version))
            if known is not None:
                _gather(found, known[1], rows)

    def days(self) -> list[PartDay]:
        """The counts that the part adds to each day and version, in their order."""
        return [self._day(day, version, rows) for (day, version), rows in sorted(self._rows.items())]

    def _day(self, day: date, version: int, rows: _Rows) -> PartDay:
        empty = PartDay(
            model=self._model,
            version=version,
            day=day,
            received=self._part.hour,
            part=self._part.name,
            rows=rows.rows,
            skipped=rows.skipped,
            reasons=tuple(rows.reasons),
        )
        known = self._versions.get(self._model, version)
        if known is None or not rows.hours:
            return empty
        bank, _ = known
        name = f"{self._part.text}@{day}"
        columns = {column: _array(bank, column, values) for column, values in rows.columns.items()}
        outputs, hours = np.asarray(rows.outputs, dtype=np.float64), np.asarray(rows.hours)

        def counted(mask: Any, part: str) -> WindowProfile:
            some = {column: values[mask] for column, values in columns.items()}
            return profile_of(bank.scheme, some, part=part, scores=outputs[mask])

        by_hour = {int(hour): counted(hours == hour, f"{name}T{hour:02}") for hour in np.unique(hours)}
        segments = {}
        for column, values in bank.segments.items():
            if column not in columns:
                continue
            places = segment_places(columns[column], values)
            names = segment_names(column, values)
            for place in np.unique(places).tolist():
                segments[names[place]] = counted(places == place, name)
        return empty.model_copy(update={"hours": by_hour, "segments": segments})


def segment_places(given: Any, values: Sequence[str]) -> Any:
    """The position of each row's segment among `segment_names`.

    Parameters
    ----------
    given : array, shape (n,)
        A column's values; None, NaN and "" are missing.
    values : sequence of str
        Those that are segments of their own.
    """
    places = {value: place for place, value in enumerate(values)}
    other, missing = len(values), len(values) + 1
    return np.asarray([missing if _is_gone(value) else places.get(value, other) for value in given], dtype=np.int64)


def _is_gone(value: Any) -> bool:
    return value is None or value == "" or value != value


def _array(bank: Bank, column: str, values: list[Any]) -> Any:
    if column in bank.scheme.categories:
        found = np.empty(len(values), dtype=object)
        found[:] = values
        return found
    return np.asarray(values, dtype=np.float64)


def _gather(found: _Rows, package: Package, frame: pandas.DataFrame) -> None:
    """Add the rows that the version's columns can be made of; the others are numbered, with their reasons."""
    numbers = [name for name in package.columns if name not in package.categories]
    columns = found.columns or {name: [] for name in package.columns}
    found.columns = columns
    hours = frame["as_of"].dt.tz_convert("UTC").dt.hour.tolist()
    given = (frame[name].tolist() for name in ("prediction_id", "output", "inputs", "features"))
    for hour, prediction, output, inputs, features in zip(hours, *given, strict=True):
        try:
            row = columns_of_row(package, inputs, features)
            for name in numbers:
                row[name] = _number(name, row[name])
            for name in package.categories:
                _check_text(name, row[name])
        except (InvalidInput, ValueError) as error:
            found.skipped += 1
            if len(found.reasons) < NAMED:
                found.reasons.append(f"{prediction}: {str(error)[:200]}")
            continue
        for name, values in columns.items():
            values.append(row[name])
        found.hours.append(hour)
        found.outputs.append(math.nan if output is None else output)


def columns_of_row(package: Package, inputs: str, features: str) -> dict[str, Any]:
    """The model's columns of one logged prediction, as the graph saw them; the two texts are JSON as it was logged."""
    seen: Mapping[str, Any] = json.loads(features)
    row: dict[str, Any] = dict(encode(package.inputs, json.loads(inputs)))
    for entry in package.features:
        row[entry.column] = seen.get(entry.name)
    return row


def columns_of(package: Package, frame: pandas.DataFrame) -> dict[str, list[Any]]:
    """The model's columns of logged predictions, as the graph saw them.

    Parameters
    ----------
    package : Package
    frame : DataFrame
        With the columns ``inputs`` and ``features``, each the JSON that was logged.

    Returns
    -------
    dict
        A list of n values for each column. A row that the package can't encode has none in any (None).
    """
    found = [_row_or_nothing(package, *texts) for texts in zip(frame["inputs"], frame["features"], strict=True)]
    return {name: [row.get(name) for row in found] for name in package.columns}


def _row_or_nothing(package: Package, inputs: str, features: str) -> Mapping[str, Any]:
    try:
        return columns_of_row(package, inputs, features)
    except (InvalidInput, ValueError):
        # One record that somebody wrote by hand doesn't hide how all others did; `PartDay.skipped` numbers it.
        return {}


def _number(name: str, value: Any) -> float:
    if value is None:
        return math.nan
    if isinstance(value, (int, float)):
        try:
            return float(value)
        except OverflowError:
            # A whole number beyond any float is infinite to a model.
            return math.inf if value > 0 else -math.inf
    raise ValueError(f"column {name!r} holds {value!r:.80}, expected a number")


def _check_text(name: str, value: Any) -> None:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"column {name!r} holds {value!r:.80}, expected text")
