"""Rows that are streamed: checked, kept, and online at once, under the same rule as materialised ones.

Streamed rows have revision 0: a row of the same event and moment that is computed from uploaded data replaces them. A
row is kept before it is online, so that predictions see no row that training won't see.
`headwater.features.stream.commits` commits the kept rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from headwater.clock import Clock, utc_now
from headwater.declare import Catalog, Feature, FeatureView
from headwater.features.errors import InvalidInput, InvalidRows, Problem
from headwater.features.inputs import entity_text, is_missing, is_text, local_time, shown, text_expectation
from headwater.features.online.encoding import EXACT, Known, Row, pack, single, text_places
from headwater.features.online.reading import microseconds, online_key
from headwater.features.online.store import OnlineStore, OnlineWrite, kept_for
from headwater.features.stream.lines import line
from headwater.lake.store import Arrivals
from headwater.values import Value

MOST_ROWS = 500
AHEAD = timedelta(minutes=5)
"""How far a time may lie in the future: clocks differ."""
_TIMES = ("event_time", "available_time")


class Streamed(Value):
    """Result of streaming rows."""

    view: str
    """The feature view's name."""
    version: str
    """Version of the view's definition."""
    rows: int
    """Rows that were taken."""
    written: int
    """Entities whose online value changed; entities with a newer value don't count."""


@dataclass(frozen=True)
class Streaming:
    """Takes rows of the views that are declared now."""

    catalog: Catalog
    online: OnlineStore
    """Where the newest values go."""
    arrivals: Arrivals
    """Where they lie until they are committed."""
    now: Clock = utc_now

    def ingest(self, view: str, rows: Sequence[Mapping[str, Any]]) -> Streamed:
        """Keep rows and bring them online; if one is refused, none.

        Rows may come twice, late and out of order. Training sees rows from the next commit of streamed rows on. If AWS
        fails on the way, some rows may be kept and some online; sending the rows again does the rest.

        Parameters
        ----------
        view : str
        rows : sequence of mapping
            At most `MOST_ROWS`, each with the view's join keys, ``event_time`` (a datetime or ISO 8601 text; UTC unless
            it has an offset), ``available_time`` if it is another, and features; one that isn't there is missing.

        Raises
        ------
        InvalidProduct
            No such view.
        InvalidRows
            Says each row's problem: an unknown column, a missing key or time, another type, out of range, a time that
            is yet to come.
        LakeBusy, OnlineStoreBusy
            Throttled; sending the rows again is safe.
        ItemTooLarge
            An entity's values don't fit an item; the rows are kept all the same.
        """
        declared = self.catalog.view(view)
        if isinstance(rows, Mapping | str) or not isinstance(rows, Sequence) or not 1 <= len(rows) <= MOST_ROWS:
            given = f"{len(rows)} rows" if isinstance(rows, list | tuple) else type(rows).__name__
            raise InvalidRows(view, [Problem("rows", given, f"a list of 1 to {MOST_ROWS} objects")])
        problems: list[Problem] = []
        newest: dict[str, OnlineWrite] = {}
        kept: set[str] = set()
        latest = microseconds(self.now() + AHEAD)
        for number, row in enumerate(rows):
            found = list(_problems(declared, row, latest))
            if found:
                problems += [Problem(f"rows[{number}].{entry.field}", entry.given, entry.expected) for entry in found]
                continue
            entity, times, values = _entity(declared, row), _moments(row), _values(declared, row)
            kept.add(line(declared, entity, *times, values))
            write = _write(declared, entity, *times, values)
            if write.key not in newest or newest[write.key].value < write.value:
                newest[write.key] = write
        if problems:
            raise InvalidRows(view, problems)
        # Sorted, for the same rows in another order are the same rows.
        self.arrivals.put(view, declared.version, "".join(sorted(kept)).encode())
        written = self.online.write(declared.version, newest.values())
        return Streamed(view=view, version=declared.version, rows=len(rows), written=written)


def _problems(view: FeatureView, row: Any, latest: int) -> Iterator[Problem]:
    if not isinstance(row, Mapping):
        yield Problem("row", type(row).__name__, "an object of columns and values")
        return
    features = {feature.name: feature for feature in view.features}
    known = [*view.entity, *_TIMES, *features]
    for name in sorted(map(str, row.keys() - set(known))):
        yield Problem(name, "unknown column", f"one of {', '.join(known)}")
    for name in view.entity:
        try:
            text = entity_text(row.get(name))
            if text is None:
                yield Problem(name, "missing", "text or a number")
            else:
                # JSON can spell half a character, which no file can hold.
                text.encode()
        except (InvalidInput, UnicodeEncodeError):
            yield Problem(name, _given(row[name]), "text or a number")
    for name in _TIMES:
        if name == "available_time" and is_missing(row.get(name)):
            continue
        try:
            moment = microseconds(local_time(row.get(name)))
        except (TypeError, ValueError, OverflowError):
            yield Problem(name, _given(row.get(name)), 'a time such as "2026-05-01T10:00:00Z"')
            continue
        if moment > latest:
            yield Problem(name, _given(row[name]), "a time that isn't yet to come")
    for name, feature in features.items():
        if (problem := _value_problem(feature, row.get(name))) is not None:
            yield Problem(name, _given(row.get(name)), problem)
    keys = [str(row.get(name)) for name in view.entity]
    if online_key(view.entity, keys) is None:
        yield Problem(", ".join(view.entity), f"a key of {sum(map(len, keys)):,} characters", "one of 2,048 bytes")


def _value_problem(feature: Feature, value: Any) -> str | None:
    """The expected value, in words; None if the value is right."""
    if is_missing(value):
        return "a value" if feature.max_missing == 0 else None
    if feature.is_text:
        fits = is_text(value, feature.longest) and (feature.values is None or value in feature.values)
        return None if fits else text_expectation(feature)
    try:
        kept = single(float(value)) if isinstance(value, bool | int | float | Decimal) else None
    except OverflowError:  # a whole number beyond 1.8e308
        kept = None
    if kept is None:
        return "a number that float32 can hold"
    if feature.kind == "boolean" and value not in (0, 1):
        return "0 or 1"
    if feature.kind == "integer" and (value != int(value) or abs(value) > EXACT):
        return f"a whole number within ±{EXACT:,}"
    # The rounded value is judged, as by `headwater.features.offline.checks`: a row that it refuses would hold up the
    # whole view.
    if feature.minimum is not None and kept < feature.minimum:
        return f"at least {feature.minimum:g}"
    if feature.maximum is not None and kept > feature.maximum:
        return f"at most {feature.maximum:g}"
    return None


def _entity(view: FeatureView, row: Mapping[str, Any]) -> tuple[str | None, ...]:
    return tuple(entity_text(row[name]) for name in view.entity)


def _moments(row: Mapping[str, Any]) -> tuple[int, int]:
    """When it happened and from when on it is available; microseconds since 1970."""
    event = microseconds(local_time(row["event_time"]))
    available = row.get("available_time")
    return event, event if is_missing(available) else microseconds(local_time(available))


def _values(view: FeatureView, row: Mapping[str, Any]) -> tuple[Known, ...]:
    given: Iterator[Any] = (row.get(entry.name) for entry in view.features)
    return tuple(None if is_missing(value) else value if isinstance(value, str) else float(value) for value in given)


def _write(
    view: FeatureView, entity: Sequence[str | None], event: int, available: int, values: tuple[Known, ...]
) -> OnlineWrite:
    key = online_key(view.entity, entity)
    assert key is not None  # noqa: S101 - checked before
    expires = event // 1_000_000 + kept_for(view)
    return OnlineWrite(key, pack(Row(event, available, 0, values), text_places(view)), expires)


def _given(value: Any) -> str:
    return "missing" if value is None else shown(value)
