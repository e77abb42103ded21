"""CloudWatch's metrics as moto keeps them, indexed by series and summed up by period."""

from __future__ import annotations

import math
import re
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?|100)")
_DAWN = datetime(1970, 1, 1, tzinfo=UTC)

Dimensions = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Series:
    """One metric: what CloudWatch keeps apart by namespace, name and exactly these dimensions."""

    namespace: str
    name: str
    dimensions: Dimensions

    @classmethod
    def of(cls, namespace: str, name: str, dimensions: Mapping[str, str]) -> Series:
        return cls(namespace, name, frozenset(dimensions.items()))


class Datum(NamedTuple):
    """What one PutMetricData entry adds to a series."""

    at: datetime
    values: tuple[float, ...]
    """Single values; empty if the entry was a statistic set."""
    samples: float
    total: float
    lowest: float
    highest: float
    unit: str


class Point(NamedTuple):
    """A statistic over one period."""

    start: datetime
    value: float
    samples: float


def floor(moment: datetime, period: int) -> datetime:
    """The start of the period of that many seconds in which ``moment`` lies; periods are aligned to the epoch."""
    return _DAWN + timedelta(seconds=int((moment - _DAWN).total_seconds()) // period * period)


class Metrics:
    """An index over moto's list of datapoints, which only ever grows."""

    def __init__(self) -> None:
        self._seen = 0
        self._last: Any = None
        self._series: defaultdict[Series, list[Datum]] = defaultdict(list)

    def read(self, data: Sequence[Any]) -> None:
        """Take in what moto's list has gained since the last time; from the start if moto was reset."""
        if self._seen and (len(data) < self._seen or data[self._seen - 1] is not self._last):
            self._seen = 0
            self._series.clear()
        for entry in islice(data, self._seen, None):
            series = Series(entry.namespace, entry.name, frozenset((it.name, it.value) for it in entry.dimensions))
            insort(self._series[series], _datum(entry), key=lambda datum: datum.at)
        self._seen = len(data)
        self._last = data[-1] if data else None

    def points(
        self, series: Series, statistic: str, *, period: int, start: datetime, end: datetime, unit: str | None = None
    ) -> dict[datetime, Point]:
        """The statistic of each period from ``start`` to ``end`` that has data, by the period's start."""
        found = {}
        for begin, group in self.grouped(series, period=period, start=start, end=end, unit=unit).items():
            value = statistic_of(group, statistic)
            if value is not None:
                found[begin] = Point(begin, value, sum(datum.samples for datum in group))
        return found

    def grouped(
        self, series: Series, *, period: int, start: datetime, end: datetime, unit: str | None = None
    ) -> dict[datetime, list[Datum]]:
        """The data of each period from ``start`` on that has some, by the period's start."""
        groups: defaultdict[datetime, list[Datum]] = defaultdict(list)
        step = timedelta(seconds=period)
        data = self._series.get(series, [])
        for datum in islice(data, bisect_left(data, start, key=lambda datum: datum.at), None):
            if datum.at >= end:
                break
            if unit is None or datum.unit == unit:
                groups[start + (datum.at - start) // step * step].append(datum)
        return groups

    def last_value(self, series: Series) -> float | None:
        """What was measured last."""
        data = self._series.get(series)
        return data[-1].highest if data else None

    def first_since(self, series: Series, moment: datetime) -> datetime | None:
        """When the earliest datapoint at or after ``moment`` was measured."""
        data = self._series.get(series, [])
        position = bisect_left(data, moment, key=lambda datum: datum.at)
        return data[position].at if position < len(data) else None


def _datum(entry: Any) -> Datum:
    at = entry.timestamp
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    unit = entry.unit or "None"
    if hasattr(entry, "value"):
        value = float(entry.value)
        return Datum(at, (value,), 1, value, value, value, unit)
    return Datum(at, (), entry.sample_count, entry.sum, entry.min, entry.max, unit)


def statistic_of(data: Sequence[Datum], statistic: str) -> float | None:
    """A statistic of one period's data; None without data, and for percentiles of statistic sets of several values."""
    count = sum(datum.samples for datum in data)
    if not count:
        return None
    if statistic == "SampleCount":
        return count
    if statistic == "Minimum":
        return min(datum.lowest for datum in data)
    if statistic == "Maximum":
        return max(datum.highest for datum in data)
    total = sum(datum.total for datum in data)
    if statistic == "Sum":
        return total
    if statistic == "Average":
        return total / count
    if (found := _PERCENTILE.fullmatch(statistic)) is None:
        raise ValueError(f"the local cloud has no statistic {statistic}")
    return percentile([value for datum in data for value in _values(datum)], float(found[1]))


def _values(datum: Datum) -> Sequence[float]:
    if datum.values:
        return datum.values
    # CloudWatch gives percentiles of a statistic set only if it leaves no doubt what the values were.
    return [datum.lowest] * int(datum.samples) if datum.lowest == datum.highest else []


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The ``percent``-th percentile, interpolated between neighbours; None without values."""
    if not values:
        return None
    ordered = sorted(values)
    position = (len(ordered) - 1) * percent / 100
    below, above = math.floor(position), math.ceil(position)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)
