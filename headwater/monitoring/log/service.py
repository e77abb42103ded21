"""Compaction of the prediction log, hour by hour.

A run may be doubled, late or killed anywhere: a part is named by what it holds, and counts once it is noted, by a
write that fails if another part was added since the hour was read. What a killed run left is made again under the
same name, or lies there unread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from headwater.monitoring.log.compaction import MOST_CHARACTERS, MOST_ROWS, batches, ids_in, quarantined, write_part
from headwater.monitoring.log.records import LONGEST_REASON, Record, Torn, read, request_in
from headwater.monitoring.log.scratch import scratch
from headwater.monitoring.log.store import CompactionStore, Contended, Listed, Stop
from headwater.monitoring.log.types import HOUR, LATE, CompactedHour, Part, Progress, digest_of, hour_of, hour_text

TRIES = 5
"""How often an hour is looked at anew because another compaction works on it."""
SHOWN = 20
"""Torn records that a run names."""


class Stopped(Exception):
    """Time is up; what was done is noted, and the next run goes on."""


@dataclass
class Report:
    """Counts of a run, and the reasons for what it couldn't do."""

    records: int = 0
    """Records that went into parts."""
    rows: int = 0
    parts: int = 0
    torn: int = 0
    """Records that went into quarantine."""
    reasons: list[str] = field(default_factory=list)
    """Key and reason of the first ones."""
    in_quarantine: dict[tuple[str, str], int] = field(default_factory=dict)
    """Records that lie in quarantine, by model and hour, of the hours that were compacted last."""
    complete: bool = True
    """False if time was up before all was done."""
    failed: dict[str, Exception] = field(default_factory=dict)
    """By model why its log couldn't be compacted."""

    @property
    def alarming(self) -> int:
        """Records in quarantine that somebody should hear of: those of the last hours, and any that are new."""
        return max(self.torn, sum(self.in_quarantine.values()))


def never() -> bool:
    """Go on to the end."""
    return False


@dataclass(frozen=True)
class Compaction:
    """Compacts the prediction log."""

    store: CompactionStore
    _: KW_ONLY
    rows: int = MOST_ROWS
    """The most that a part holds, as ``characters``."""
    characters: int = MOST_CHARACTERS

    def run(self, now: datetime, stop: Stop = never) -> Report:
        """Compact what is due of every model; hours that aren't over by ``now`` wait for theirs."""
        report, models = Report(), self.store.log.models()
        # Each hour another model is the first: no one starves if time is up each time.
        first = int(now.timestamp() // 3600) % len(models) if models else 0
        for model in (*models[first:], *models[:first]):
            try:
                self.compact(model, now, stop, report)
            except Stopped:
                report.complete = False
            except Contended:
                # Another run does the same.
                continue
            except Exception as error:  # The models beside it can be compacted all the same.
                report.failed[model] = error
        return report

    def compact(self, model: str, now: datetime, stop: Stop = never, report: Report | None = None) -> Report:
        """Compact what is due of one model's log.

        Raises
        ------
        Stopped
            Time is up.
        Contended
            Another compaction of the model goes on.
        """
        with scratch() as (connection, folder):
            work = _Work(self, self.store, model, now, stop, report or Report(), connection, folder)
            work.all_due()
            return work.report

    def again(self, model: str, hour: datetime) -> Report:
        """Compact what no part holds of one hour, as after a part was deleted because of a record in it.

        Raises
        ------
        Contended
            Another compaction works on the hour.
        """
        with scratch() as (connection, folder):
            work = _Work(self, self.store, model, hour, never, Report(), connection, folder)
            work.one_hour(hour_of(hour))
            return work.report

    def batches(self, records: Iterable[Record]) -> Iterator[list[Record]]:
        """The records that go into a part each."""
        return batches(records, rows=self.rows, characters=self.characters)


@dataclass
class _Work:
    """One run over one model's log."""

    compaction: Compaction
    store: CompactionStore
    model: str
    now: datetime
    stop: Stop
    report: Report
    connection: duckdb.DuckDBPyConnection
    scratch: Path
    there: dict[date, set[datetime]] = field(default_factory=dict)
    """The hours of a day that have records, as they were when this run first asked."""
    gone: dict[datetime, list[Part]] = field(default_factory=dict)
    """Parts of an hour that are noted, and that somebody deleted."""

    def all_due(self) -> None:
        newest, days = hour_of(self.now) - HOUR, set(self.store.log.days(self.model))
        progress = self.store.progress(self.model)
        if progress is None:
            begun = Progress(model=self.model, through=newest, backlog=_until(days, newest), known=_until(days, newest))
            progress = self.store.advance(begun)
        progress = self._meet(progress, days)
        while progress.through < newest:
            hour = progress.through + HOUR
            looked = self._hours([hour, *(hour - late * HOUR for late in LATE)], days, recent=hour)
            if hour.hour == 0:
                for late in LATE[2:]:
                    self._day((hour - late * HOUR).date(), days)
            progress = progress.model_copy(update={"through": hour})
            # An hour without any work is passed again rather than written down.
            if looked or hour == newest:
                progress = self.store.advance(progress)
        for day in progress.backlog:
            self._whole_day(day, days, newest)
            left = tuple(other for other in progress.backlog if other != day)
            progress = self.store.advance(progress.model_copy(update={"backlog": left}))
        for day in progress.strays:
            self._whole_day(day, days, newest)

    def one_hour(self, hour: datetime) -> None:
        self._look(lambda: self._hour(hour, whole=True))

    def _meet(self, progress: Progress, days: set[date]) -> Progress:
        """Take in days that weren't there before: those that are long over came from a clock that is wrong."""
        there = set(_until(days, hour_of(self.now)))
        new = there - set(progress.known)
        gone = set(progress.known) - there
        if not new and not gone:
            return progress
        over = (progress.through - timedelta(days=1)).date()
        strays = sorted((set(progress.strays) | {day for day in new if day < over}) & there)
        changed = {"known": tuple(sorted(there)), "strays": tuple(strays),
                   "backlog": tuple(day for day in progress.backlog if day in there)}  # fmt: skip
        return self.store.advance(progress.model_copy(update=changed))

    def _whole_day(self, day: date, days: set[date], newest: datetime) -> None:
        if day in days:
            self._hours([hour for hour in sorted(self._hours_of(day)) if hour <= newest], days)
            self._day(day, days)

    def _hours(self, hours: Iterable[datetime], days: set[date], recent: datetime | None = None) -> int:
        """Look at those of the hours that have records; how many they are."""
        looked = 0
        for hour in hours:
            if hour.date() in days and hour in self._hours_of(hour.date()):
                torn = self._look(lambda hour=hour: self._hour(hour))  # type: ignore[misc]
                looked += 1
                if recent is not None and recent - hour < 3 * HOUR:
                    self.report.in_quarantine[self.model, hour_text(hour)] = torn
        return looked

    def _hours_of(self, day: date) -> set[datetime]:
        if day not in self.there:
            self.there[day] = set(self.store.hours(self.model, day))
        return self.there[day]

    def _look(self, look: Callable[[], int]) -> int:
        for _ in range(TRIES):
            if self.stop():
                raise Stopped
            try:
                return look()
            except Contended as error:
                last = error
        raise last

    def _hour(self, hour: datetime, *, whole: bool = False) -> int:
        """Compact what no part holds of an hour; the number of its records in quarantine.

        Unless it is to look at the ``whole`` hour, it believes that parts which were noted are there.
        """
        torn = self.store.torn(self.model, hour_text(hour))
        listed = [one for one in self.store.of_hour(self.model, hour) if one.torn_name not in torn]
        known = self.store.hour(self.model, hour)
        if not whole and digest_of(request_in(one.key) for one in listed) == known.digest:
            return len(torn)
        held = self._held([known])
        return len(torn) + self._add({hour: known}, (one for one in listed if request_in(one.key) not in held), hour)

    def _day(self, day: date, days: set[date]) -> None:
        """Compact the records of a day whose keys have no hour."""
        if day not in days:
            return

        def look() -> int:
            torn = self.store.torn(self.model, f"{day.isoformat()}T")
            listed = [one for one in self.store.of_day(self.model, day) if one.torn_name not in torn]
            if not listed:
                return 0
            start = datetime(day.year, day.month, day.day, tzinfo=UTC)
            known = {one.hour: one for one in self.store.compacted(self.model, start, start + timedelta(days=1))}
            held = self._held(known.values())
            return self._add(known, (one for one in listed if request_in(one.key) not in held), start)

        self._look(look)

    def _held(self, hours: Iterable[CompactedHour]) -> set[str]:
        """The ids in parts. A part that somebody deleted holds none: it no longer counts once another is noted."""
        found: set[str] = set()
        path = self.scratch / "held.parquet"
        for hour in hours:
            self.gone[hour.hour] = []
            for part in hour.parts:
                if self.store.fetch(hour, part, path):
                    found |= ids_in(self.connection, path)
                else:
                    self.gone[hour.hour].append(part)
        return found

    def _add(self, known: dict[datetime, CompactedHour], fresh: Iterable[Listed], hour: datetime) -> int:
        """Write records into new parts, and torn ones into quarantine; returns the number of those."""
        before = self.report.torn
        for batch in self.compaction.batches(self._read(fresh, hour)):
            by_hour: dict[datetime, list[Record]] = {}
            for record in batch:
                by_hour.setdefault(record.hour, []).append(record)
            for of, records in by_hour.items():
                path = self.scratch / "part.parquet"
                part = write_part(self.connection, records, path)
                self.store.put(self.model, of, part, path)
                before_it = known.get(of) or CompactedHour(model=self.model, hour=of)
                known[of] = self.store.note(before_it, part, self.gone.pop(of, []))
                self.report.parts += 1
                self.report.records += part.records
                self.report.rows += part.rows
            if self.stop():
                raise Stopped
        return self.report.torn - before

    def _read(self, fresh: Iterable[Listed], hour: datetime) -> Iterator[Record]:
        for listed, body in self.store.bodies(fresh):
            try:
                yield read(body, listed.key)
            except Torn as error:
                reason = str(error)[:LONGEST_REASON]
                document = quarantined(listed.key, listed.etag, reason, body)
                self.store.quarantine(self.model, hour, listed, document)
                self.report.torn += 1
                if len(self.report.reasons) < SHOWN:
                    self.report.reasons.append(f"{listed.key}: {reason}")


def _until(days: Iterable[date], hour: datetime) -> tuple[date, ...]:
    return tuple(sorted(day for day in days if day <= hour.date()))
