"""Statuses in the text formats that Prometheus reads: as they stand now, or with their times for a backfill.

Specification: OpenMetrics 1.0 (https://prometheus.io/docs/specs/om/open_metrics_spec/) and the older text format 0.0.4
(https://prometheus.io/docs/instrumenting/exposition_formats/).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from headwater.errors import InvalidRequest
from headwater.monitoring.dashboards.families import FAMILIES, Family, Measure, measures, readable

if TYPE_CHECKING:
    from headwater.monitoring.status import Status

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Sample:
    """A status and the moment that it is told of."""

    at: datetime
    """With its time zone."""
    status: Status


def chosen(accept: str) -> str:
    """The content type to answer with: `TEXT` if the header ``Accept`` likes it better, else `OPENMETRICS`.

    Of OpenMetrics version 1.0.0 is written, so a client that asks for 0.0.1 alone gets the text format.
    """
    qualities = dict.fromkeys((OPENMETRICS, TEXT), 0.0)
    exact: set[str] = set()
    for entry in accept.split(",") if accept.strip() else ["*/*"]:
        kind, *parameters = (part.strip().lower() for part in entry.split(";"))
        given = dict(part.partition("=")[::2] for part in parameters)
        quality = _quality(given.get("q", "1"))
        for offer, name, version in (
            (OPENMETRICS, "application/openmetrics-text", "1.0.0"),
            (TEXT, "text/plain", "0.0.4"),
        ):
            if kind == name and given.get("version", version) == version:
                qualities[offer] = max(quality, qualities[offer] if offer in exact else 0.0)
                exact.add(offer)
            elif kind in ("*/*", f"{name.partition('/')[0]}/*") and offer not in exact:
                qualities[offer] = max(quality, qualities[offer])
    return TEXT if qualities[TEXT] > qualities[OPENMETRICS] else OPENMETRICS


def _quality(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0 <= value <= 1 else 0.0


def exposition(statuses: Iterable[Status], content_type: str = OPENMETRICS, unreadable: Iterable[str] = ()) -> str:
    """The statuses as gauges without times: a scrape has the time at which it is made.

    Parameters
    ----------
    statuses : iterable of Status
        One a model.
    content_type : str
        `OPENMETRICS` or `TEXT`.
    unreadable : iterable of str
        Models whose statuses can't be read.
    """
    by_family: dict[Family, list[str]] = {}

    def tell(measure: Measure) -> None:
        line = f"{measure.family.name}{_labels(measure.labels)} {_number(measure.value)}\n"
        by_family.setdefault(measure.family, []).append(line)

    for status in statuses:
        for measure in measures(status):
            tell(measure)
    for model in unreadable:
        tell(readable(model, False))
    is_openmetrics = content_type == OPENMETRICS
    text = "".join(
        _head(family, is_openmetrics) + "".join(by_family[family]) for family in FAMILIES if family in by_family
    )
    return text + ("# EOF\n" if is_openmetrics else "")


def history(samples: Iterable[Sample]) -> Iterator[str]:
    """Lines of OpenMetrics with the samples' times, for ``promtool tsdb create-blocks-from openmetrics``.

    Each family stands once, each series within it once, and a series' values by their time: promtool refuses anything
    else. A series that has two values at one millisecond keeps the last one given.

    Raises
    ------
    InvalidRequest
        A sample's time has no time zone.
    """
    found: dict[Family, dict[Labels, dict[int, float]]] = {}
    for sample in samples:
        for measure in measures(sample.status):
            series = found.setdefault(measure.family, {}).setdefault(measure.labels, {})
            series[_milliseconds(sample.at)] = measure.value
    for family in FAMILIES:
        if family in found:
            yield from _of_family(family, found[family])
    yield "# EOF\n"


def between(samples: Iterable[Sample], since: datetime | None, until: datetime | None) -> Iterator[Sample]:
    """The samples from ``since`` on and before ``until``; without one of them there is no such end.

    Raises
    ------
    InvalidRequest
        A time has no time zone, or ``since`` isn't before ``until``.
    """
    for name, end in (("since", since), ("until", until)):
        if end is not None and end.tzinfo is None:
            raise InvalidRequest(f"{name} {end} has no time zone: write it as 2026-03-01T12:00:00Z")
    if since is not None and until is not None and not since < until:
        raise InvalidRequest(f"since {since} isn't before until {until}")
    return (
        sample for sample in samples if (since is None or since <= sample.at) and (until is None or sample.at < until)
    )


def _of_family(family: Family, series: Mapping[Labels, Mapping[int, float]]) -> Iterator[str]:
    yield _head(family, is_openmetrics=True)
    for labels, values in sorted(series.items()):
        name = f"{family.name}{_labels(labels)}"
        for moment, value in sorted(values.items()):
            yield f"{name} {_number(value)} {moment // 1000}.{moment % 1000:03d}\n"


def _milliseconds(at: datetime) -> int:
    if at.tzinfo is None:
        raise InvalidRequest(f"the time {at} of a sample has no time zone: give it one, such as UTC")
    return round(at.timestamp() * 1000)


def _head(family: Family, is_openmetrics: bool) -> str:
    # The older format takes a quotation mark in a help text as it is, and knows no units.
    words = _escaped(family.help) if is_openmetrics else family.help.replace("\\", r"\\").replace("\n", r"\n")
    unit = f"# UNIT {family.name} {family.unit}\n" if family.unit and is_openmetrics else ""
    return f"# HELP {family.name} {words}\n# TYPE {family.name} gauge\n{unit}"


def _labels(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)
