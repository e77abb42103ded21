"""Days of a model's predictions by ``as_of``: profiles of any stretch and segment, and the predictions themselves.

What isn't compacted or counted yet is counted when somebody asks, and never stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import reduce

import pandas

from headwater.errors import NotFound
from headwater.monitoring.days.counting import WANTED, PartCounter
from headwater.monitoring.days.keeping import LAST
from headwater.monitoring.days.store import DayPart, DayStore
from headwater.monitoring.days.types import WHOLE, PartDay, PartName, digest_of, segment_names
from headwater.monitoring.days.versions import Versions
from headwater.monitoring.log.reading import EVER, NEVER, Reader, check
from headwater.monitoring.log.store import CompactionStore
from headwater.monitoring.log.types import HOUR, hour_of
from headwater.monitoring.profiles.types import Scheme, WindowProfile, merge

UNCOUNTED = timedelta(days=31)
"""Hours of so long ago are looked at for parts that nobody counted yet; the daily look finds what is older."""
_GAP = timedelta(days=2)
"""Hours with less between them are asked for together."""
LIVE = "live"


class NoSuchSegment(NotFound):
    """A segment that the version doesn't count by."""


class CountedDay:
    """A day of a version: its parts' counts, which are merged when they are asked for.

    Attributes
    ----------
    day : date
    version : int
    digest : str
        Names the parts: with the same digest a day has the same rows.
    """

    def __init__(self, scheme: Scheme | None, day: date, version: int, parts: Sequence[PartDay]) -> None:
        self.day, self.version, self._scheme = day, version, scheme
        self._parts = parts
        self.digest = digest_of(PartName(part.received.astimezone(UTC), part.part) for part in parts)

    @property
    def rows(self) -> int:
        """Predictions, those that couldn't be counted too."""
        return sum(part.rows for part in self._parts)

    @property
    def skipped(self) -> int:
        """Predictions that couldn't be counted."""
        return sum(part.skipped for part in self._parts)

    def profile(self, segment: str = WHOLE) -> WindowProfile:
        """Its counts: of all, or of a segment."""
        assert self._scheme is not None  # noqa: S101 - `Days` makes days of versions that have a bank
        if segment:
            return merge(self._scheme, (part.segments[segment] for part in self._parts if segment in part.segments))
        return merge(self._scheme, (hour for part in self._parts for hour in part.hours.values()))

    def hours(self) -> dict[int, WindowProfile]:
        """Its counts by the hour of ``as_of``, UTC."""
        found: dict[int, list[WindowProfile]] = {}
        for part in self._parts:
            for hour, profile in part.hours.items():
                found.setdefault(hour, []).append(profile)
        return {hour: reduce(WindowProfile.__add__, found[hour]) for hour in sorted(found)}


class Days:
    """Reads counted days.

    Parameters
    ----------
    log : CompactionStore
    days : DayStore
    versions : Versions
    now : datetime, optional
        Without it only what is stored is there, as scheduled work wants it. With it predictions count that aren't
        compacted or counted yet.
    known : datetime, optional
        Only what was received before this moment counts.
    """

    def __init__(
        self,
        log: CompactionStore,
        days: DayStore,
        versions: Versions,
        *,
        now: datetime | None = None,
        known: datetime | None = None,
    ) -> None:
        self._log, self._days, self._versions = log, days, versions
        self._reader, self._now, self._known = Reader(log, keep=True), now, known
        self._live: dict[str, dict[datetime, list[PartDay]]] = {}
        self.torn: list[str] = []
        """Key and reason of each record that couldn't be read."""

    def profile(self, model: str, version: int, since: date, until: date, segment: str = WHOLE) -> WindowProfile:
        """The counts of the days from ``since`` to ``until``, both included.

        Raises
        ------
        ModelNotRegistered, VersionNotFound, NoBank
        NoSuchSegment
        """
        bank, _ = self._versions.known(model, version)
        self.check_segment(model, version, segment)
        return merge(bank.scheme, (day.profile(segment) for day in self.counted(model, version, since, until)))

    def counted(self, model: str, version: int, since: date, until: date) -> list[CountedDay]:
        """The days from ``since`` to ``until`` that have predictions of the version, oldest first."""
        stored = [one for one in self._days.list_days(model, since, until) if one.version == version]
        return self._made(model, version, stored, lambda day: since <= day <= until)

    def last(self, model: str, version: int, count: int, until: date | None = None) -> list[CountedDay]:
        """The last ``count`` days that have predictions of the version, oldest first; at latest ``until``."""
        live = {part.day for part in self._live_parts(model) if part.version == version}
        found: list[date] = []
        for day in sorted({*self._days.folders(model), *live}, reverse=True):
            if (until is None or day <= until) and self._has(model, version, day, live):
                found.append(day)
            if len(found) == count:
                break
        return self.counted(model, version, found[-1], found[0]) if found else []

    def days(self, model: str, version: int) -> list[date]:
        """All days that have predictions of the version, oldest first."""
        stored = [one for one in self._days.list_days(model) if one.version == version]
        live = {part.day for part in self._live_parts(model) if part.version == version}
        return sorted({one.day for one in self._standing(model, stored)} | live)

    def answered(self, model: str, since: date, until: date) -> list[tuple[date, int]]:
        """The days from ``since`` to ``until``, both included, with each version that answered on them; ascending."""
        stored = self._standing(model, list(self._days.list_days(model, since, until)))
        live = {(part.day, part.version) for part in self._live_parts(model) if since <= part.day <= until}
        return sorted({(one.day, one.version) for one in stored} | live)

    def digests(
        self, model: str, version: int, since: date | None = None, until: date | None = None
    ) -> dict[date, str]:
        """The digest of each stored day of a version, from its keys alone."""
        stored = [one for one in self._days.list_days(model, since, until) if one.version == version]
        found: dict[date, list[PartName]] = {}
        for one in self._standing(model, stored):
            found.setdefault(one.day, []).append(one.part)
        return {day: digest_of(parts) for day, parts in sorted(found.items())}

    def segments(self, model: str, version: int) -> list[str]:
        """The segments that the version counts by, column by column."""
        bank, _ = self._versions.known(model, version)
        return [name for column, values in bank.segments.items() for name in segment_names(column, values)]

    def check_segment(self, model: str, version: int, segment: str) -> None:
        """Refuse a segment that the version doesn't count by; raises `NoSuchSegment`."""
        if segment and segment not in (known := self.segments(model, version)):
            raise NoSuchSegment(
                f"version {version} of model {model!r} has no segment {segment!r}. "
                + (f"It has {', '.join(known)}" if known else "It declares none: Monitoring(segments=...), then train")
            )

    def frames(
        self, model: str, version: int, day: date, columns: Sequence[str] | None = None
    ) -> Iterator[pandas.DataFrame]:
        """The predictions of a version that were asked as of a day, each once, by the time of their receipt.

        Parameters
        ----------
        columns : sequence of str, optional
            Some of `headwater.monitoring.log.records.COLUMNS`; by default all.

        Raises
        ------
        NoSuchColumn
        """
        chosen = check(EVER, NEVER, columns)
        stored = self._standing(model, self._days.list_day(model, day, version))
        hours = {one.part.hour for one in stored}
        hours |= {part.received for part in self._live_parts(model) if (part.day, part.version) == (day, version)}
        wanted = [*dict.fromkeys([*chosen, "as_of", "version"])]
        for first, last in _runs(sorted(hours), HOUR):
            for frame in self._reader.frames(model, first, self._until(last + HOUR), wanted, torn=self.torn):
                days = frame["as_of"].dt.tz_convert("UTC").dt.date
                rows = frame[(days == day) & (frame["version"] == version)]
                if len(rows):
                    yield rows[list(chosen)].reset_index(drop=True)

    # -- what counts --------------------------------------------------------------------------------------------

    def _made(
        self, model: str, version: int, stored: Iterable[DayPart], wanted: Callable[[date], bool]
    ) -> list[CountedDay]:
        parts = list(self._days.read(self._standing(model, list(stored))))
        parts += [
            part for part in self._live_parts(model)
            if part.version == version and wanted(part.day)
        ]  # fmt: skip
        found: dict[date, list[PartDay]] = {}
        for part in parts:
            found.setdefault(part.day, []).append(part)
        known = self._versions.get(model, version)
        scheme = known[0].scheme if known else None
        return [CountedDay(scheme, day, version, found[day]) for day in sorted(found)]

    def _has(self, model: str, version: int, day: date, live: set[date]) -> bool:
        return day in live or bool(self._standing(model, self._days.list_day(model, day, version)))

    def _standing(self, model: str, stored: Sequence[DayPart]) -> list[DayPart]:
        """The stored profiles that count: their part does, and no live count stands for their hour."""
        live = self._live_hours(model)
        left = [one for one in stored if one.part.hour not in live]
        if self._known is not None:
            left = [one for one in left if one.part.hour + HOUR <= self._known]
        counting: set[PartName] = set()
        for first, last in _runs(sorted({one.part.hour for one in left}), _GAP):
            for hour in self._log.compacted(model, first, last + HOUR):
                counting |= {PartName(hour.hour, part.name) for part in hour.parts}
        return [one for one in left if one.part in counting]

    def _live_hours(self, model: str) -> dict[datetime, list[PartDay]]:
        if model not in self._live:
            self._live[model] = {} if self._now is None else self._count(model, self._now)
        return self._live[model]

    def _live_parts(self, model: str) -> list[PartDay]:
        return [part for parts in self._live_hours(model).values() for part in parts]

    def _count(self, model: str, now: datetime) -> dict[datetime, list[PartDay]]:
        """Count the hours that aren't stored, and the one in which what was known ends."""
        since = hour_of(now - UNCOUNTED)
        # A clock that was moved forward is ahead of ours.
        counted = self._days.counted(model, since, LAST)
        compacted = self._log.compacted(model, since, LAST)
        hours = {hour.hour for hour in compacted if counted.get(hour.hour) != hour.revision}
        hours |= set(self._reader.unsettled(model))
        if self._known is not None:
            hours = {hour for hour in hours if hour < self._known} | {hour_of(self._known)}
        found = {}
        for hour in sorted(hours):
            until = self._until(hour + HOUR)
            counter = PartCounter(model, PartName(hour, LIVE), self._versions)
            if hour < until:
                for frame in self._reader.frames(model, hour, until, WANTED, torn=self.torn):
                    counter.add(frame)
            found[hour] = counter.days()
        return found

    def _until(self, moment: datetime) -> datetime:
        return moment if self._known is None else min(moment, self._known)


def _runs(hours: Sequence[datetime], gap: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """The first and the last of each run of hours that are at most ``gap`` apart."""
    first = last = None
    for hour in hours:
        if first is None or last is None:
            first = hour
        elif hour - last > gap:
            yield first, last
            first = hour
        last = hour
    if first is not None and last is not None:
        yield first, last
