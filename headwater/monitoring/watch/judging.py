"""Judges days of one version that are over, each once for each set of its rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from headwater.monitoring.days.service import CountedDay, Days
from headwater.monitoring.days.types import digest_of, start_of
from headwater.monitoring.days.versions import Versions
from headwater.monitoring.drift.bank import BankWindow
from headwater.monitoring.drift.judging import Judge
from headwater.monitoring.drift.reference import LEAST_ROWS
from headwater.monitoring.drift.verdicts import Finding
from headwater.monitoring.profiles.types import WindowProfile
from headwater.monitoring.watch.reference import extended, founding, joined
from headwater.monitoring.watch.store import WatchStore, WindowName
from headwater.monitoring.watch.types import JudgedDay, KeptWindow, Said, trimmed

TRIES = 5
USUAL_DAYS = 7
NOTHING = digest_of(())
"""Digest of a day whose rows are all gone."""


class VersionJudge:
    """Judges the days of a version."""

    def __init__(self, store: WatchStore, days: Days, versions: Versions, model: str, version: int) -> None:
        self._store, self._days, self._model, self._version = store, days, model, version
        self._bank, _ = versions.known(model, version)
        self._judges: dict[tuple[WindowName, ...], Judge] = {}

    def due(self, digests: dict[date, str], over: date, judged: dict[date, JudgedDay], *, whole: bool) -> list[date]:
        """The days until ``over`` that weren't judged with the rows that they have now, oldest first."""
        found = {
            day for day, digest in digests.items()
            if day <= over and (day not in judged or judged[day].now.digest != digest)
        }  # fmt: skip
        if whole:
            # All rows of a day may have gone, as when a person was forgotten.
            found |= {day for day, one in judged.items() if day not in digests and one.now.digest != NOTHING}
        return sorted(found)

    def judge(self, day: date, judged: dict[date, JudgedDay], now: datetime) -> JudgedDay:
        """Judge a day, write down what is said of it, and keep its window; ``judged`` has all other days."""
        for _ in range(TRIES):
            known = judged.get(day) or JudgedDay(model=self._model, version=self._version, day=day)
            counted = self._counted(day)
            digest = counted.digest if counted else NOTHING
            if known.said and known.now.digest == digest:
                return known
            said = self.said(counted, day, list(judged.values()), now)
            made = known.saying(said)
            if counted and said.verdict.rows >= LEAST_ROWS:
                window = BankWindow(start=start_of(day), profile=counted.profile())
                self._store.put_window(self._name(made), KeptWindow(window=window))
            if self._store.put_judged(made):
                if known.said:
                    self._store.remove_window(self._name(known))
                return made.model_copy(update={"revision": made.revision + 1})
            # Another run judged it: what it said is read first.
            found = self._store.judged_day(self._model, self._version, day)
            if found is not None:
                judged[day] = found
        return judged[day]

    def said(self, counted: CountedDay | None, day: date, judged: Sequence[JudgedDay], now: datetime) -> Said:
        """The verdict on a day beside the windows that count for it."""
        profile = counted.profile() if counted else self._bank.scheme.empty()
        first, all_of_them = self._references(judged, day)
        start = start_of(day)
        alone = first.judge(profile, start)
        verdict = alone if all_of_them is first else all_of_them.judge(profile, start)
        digest = counted.digest if counted else NOTHING
        return Said(at=now, digest=digest, verdict=trimmed(verdict), alone=alone.outcome)

    def measured(
        self, profile: WindowProfile, day: date, judged: Sequence[JudgedDay]
    ) -> dict[str, tuple[Finding, ...]]:
        """Each feature's distances on a day, whether they decide anything or not."""
        return self._references(judged, day)[1].measured(profile, start_of(day))

    def quality(self, day: date, judged: Sequence[JudgedDay]) -> tuple[tuple[Finding, ...], int]:
        """Find what is missing, unseen or infinite in a day that isn't over; with the rows that it has so far."""
        counted = self._counted(day)
        if counted is None:
            return (), 0
        rows = [one.now.verdict.rows for one in judged if one.now.verdict.rows][-USUAL_DAYS:]
        profile = counted.profile()
        # Without days to go by, as many rows as come if all hours are like the day's busiest one.
        busiest = max((hour.rows for hour in counted.hours().values()), default=0)
        expected = sorted(rows)[len(rows) // 2] if rows else 24 * busiest
        return self._references(judged, day)[1].quality(profile, expected), counted.rows

    def _references(self, judged: Sequence[JudgedDay], day: date) -> tuple[Judge, Judge]:
        """The judge by the founding windows, and the one by all that count for a day."""
        ordered = sorted((one for one in judged if one.day < day), key=lambda one: one.day)
        first = [self._name(one) for one in founding(self._bank, ordered, day)]
        more = [self._name(one) for one in joined(self._bank, ordered, day)]
        return self._judge(first), self._judge([*first, *more])

    def _judge(self, names: Iterable[WindowName]) -> Judge:
        wanted = tuple(names)
        if wanted not in self._judges:
            bank = extended(self._bank, self._store.windows(wanted)) if wanted else self._bank
            self._judges[wanted] = Judge(bank)
        return self._judges[wanted]

    def _counted(self, day: date) -> CountedDay | None:
        found = self._days.counted(self._model, self._version, day, day)
        return found[0] if found else None

    def _name(self, day: JudgedDay) -> WindowName:
        return WindowName(self._model, self._version, day.day, day.now.digest)


def last_day_over(through: datetime | None, now: datetime) -> date | None:
    """The last day, UTC, of which every hour is over and compacted; None if nothing is compacted."""
    if through is None:
        return None
    # The hour `through` is compacted as well.
    return min((through + timedelta(hours=1)).date(), now.date()) - timedelta(days=1)
