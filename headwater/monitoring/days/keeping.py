"""Counts each compacted part once, and removes what was counted of parts that no longer count.

A run may be doubled, late or killed anywhere. What a part adds to a day is a function of the part and its version's
bank, so that whoever stores it stores the same. An hour is noted as counted behind all of its parts, together with its
revision: an hour that got a part since, or lost one, has another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from headwater.monitoring.days.counting import WANTED, PartCounter
from headwater.monitoring.days.store import DayStore
from headwater.monitoring.days.types import PartIndex, PartName
from headwater.monitoring.days.versions import Versions
from headwater.monitoring.log.reading import part_frames
from headwater.monitoring.log.scratch import scratch
from headwater.monitoring.log.store import CompactionStore
from headwater.monitoring.log.types import CompactedHour, Part, hour_of

RECENT = timedelta(days=3)
"""Hours that each run looks at; once a day it looks at all."""
FIRST, LAST = datetime(1000, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)
TRIES = 5


@dataclass
class Counted:
    """Counts of a run."""

    parts: int = 0
    rows: int = 0
    removed: int = 0
    """Parts that no longer count and whose profiles were removed."""
    skipped: int = 0
    reasons: list[str] = field(default_factory=list)
    """Why rows of a version, or single rows, couldn't be counted; each reason once."""
    days: set[date] = field(default_factory=set)
    """Days that the parts added to, or were removed from."""
    complete: bool = True
    whole: bool = False
    """Whether all hours were looked at."""


@dataclass(frozen=True)
class Keeping:
    """Keeps the stored profiles of days as the log's parts are."""

    log: CompactionStore
    days: DayStore
    versions: Versions

    def run(self, model: str, now: datetime, stop: Callable[[], bool] = lambda: False) -> Counted:
        """Count what isn't counted yet of a model's hours."""
        report = Counted()
        looked, today = self.days.looked(model), now.astimezone(UTC).date()
        report.whole = looked is None or looked < today
        since = FIRST if report.whole else hour_of(now - RECENT)
        counted = self.days.counted(model, since, LAST)
        counting: set[PartName] = set()
        for hour in self.log.compacted(model, since, LAST):
            counting |= {PartName(hour.hour, part.name) for part in hour.parts}
            if counted.get(hour.hour) == hour.revision:
                continue
            if not self._hour(hour, report, stop):
                report.complete = False
                return report
        if report.whole:
            # Who judges the days notes that all were looked at (`DayStore.note_looked`).
            self._sweep(model, counting, report)
        return report

    def _hour(self, hour: CompactedHour, report: Counted, stop: Callable[[], bool]) -> bool:
        """Count an hour's parts; False if time was up."""
        for _ in range(TRIES):
            for part in hour.parts:
                if stop():
                    return False
                self._part(hour, part, report)
            self._remove(hour.model, self.days.indexed(hour.model, hour.hour) - _names(hour), report)
            if self.days.note_counted(hour.model, hour.hour, hour.revision):
                return True
            # A part was added or taken away meanwhile, and another run has counted that.
            hour = self.log.hour(hour.model, hour.hour)
        return False

    def _part(self, hour: CompactedHour, part: Part, report: Counted) -> None:
        name = PartName(hour.hour, part.name)
        known = self.days.index(hour.model, name)
        if known is not None and known.complete:
            report.days |= {day for day, _, _ in known.days}
            return
        counter = count_part(self.log, hour, part, self.versions)
        if counter is None:
            # Somebody deleted it; the compaction that makes it again raises the hour's revision.
            return
        found = counter.days()
        index = PartIndex(
            model=hour.model,
            received=hour.hour,
            part=part.name,
            days=tuple((one.day, one.version, one.rows) for one in found),
        )
        self.days.put_index(index)
        for one in found:
            self.days.put(one)
            report.skipped += one.skipped
            report.reasons += [reason for reason in one.reasons if reason not in report.reasons]
            reason = self.versions.why_not(hour.model, one.version)
            if reason and reason not in report.reasons:
                report.reasons.append(reason)
        self.days.put_index(index.model_copy(update={"complete": True}))
        report.days |= {one.day for one in found}
        report.parts += 1
        report.rows += part.rows

    def _sweep(self, model: str, counting: set[PartName], report: Counted) -> None:
        """Remove what runs that were killed, or overtaken, left of parts that no longer count."""
        left = self.days.indexed(model) - counting
        # A part that was noted since this run read the hours counts.
        hours = {part.hour for part in left}
        counting = {name for hour in hours for name in _names(self.log.hour(model, hour))}
        self._remove(model, left - counting, report)

    def _remove(self, model: str, parts: Iterable[PartName], report: Counted) -> None:
        for part in sorted(parts):
            index = self.days.index(model, part)
            report.days |= {day for day, _, _ in index.days} if index else set()
            self.days.remove(model, part)
            report.removed += 1


def _names(hour: CompactedHour) -> set[PartName]:
    return {PartName(hour.hour, part.name) for part in hour.parts}


def count_part(log: CompactionStore, hour: CompactedHour, part: Part, versions: Versions) -> PartCounter | None:
    """Count a part's rows; None if somebody deleted it."""
    with scratch() as (connection, folder):
        path = folder / "part.parquet"
        if not log.fetch(hour, part, path):
            return None
        counter = PartCounter(hour.model, PartName(hour.hour, part.name), versions)
        for frame in part_frames(connection, path, WANTED):
            counter.add(frame)
        return counter
