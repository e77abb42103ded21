"""Values of the hourly look: what was said of a day, when, and what is said now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from pydantic import AwareDatetime

from headwater.monitoring.drift.bank import BankWindow
from headwater.monitoring.drift.standing import Standing, State
from headwater.monitoring.drift.verdicts import Outcome, Verdict
from headwater.values import Packed, Stored, Value

RESTATED = timedelta(days=3)
"""For so long after a day was judged for the first time, another verdict on it may change the model's state."""
MOST_SAID = 5
"""Verdicts that are kept of a day: the first one on enough rows, the one that counts, and the newest ones."""
MOST_NAMES = 100
"""Features of a verdict that are kept: those of the highest scores."""


class Said(Value):
    """A verdict on a day, as it was given at a moment."""

    at: AwareDatetime
    digest: str
    """Names the parts that the day had then (`headwater.monitoring.days.types.digest_of`)."""
    verdict: Verdict
    alone: Outcome
    """The outcome beside the training's own days, without later ones."""


class JudgedDay(Stored):
    """All that was said of a day of a version, the oldest first."""

    model: str
    version: int
    day: date
    said: tuple[Said, ...] = ()
    revision: int = 0

    @property
    def now(self) -> Said:
        """The newest verdict."""
        return self.said[-1]

    @property
    def counts(self) -> Said:
        """The verdict that the model's state follows from.

        That is the first one on enough rows; a later one takes its place if it came within `RESTATED`. What is said of
        a day afterwards is kept, and neither raises nor ends an alarm.
        """
        first = self._first
        judged = [one for one in self.said if one.verdict.outcome is not Outcome.COLLECTING]
        return [one for one in judged or [first] if one.at - first.at <= RESTATED][-1]

    @property
    def is_restated(self) -> bool:
        """Whether the newest verdict has another outcome than the one that counts."""
        return self.now.verdict.outcome is not self.counts.verdict.outcome

    def known_at(self, moment: datetime) -> JudgedDay | None:
        """The day as it stood at a moment; None if nothing was said yet."""
        said = tuple(one for one in self.said if one.at <= moment)
        return self.model_copy(update={"said": said}) if said else None

    def saying(self, said: Said) -> JudgedDay:
        """The day with one more verdict."""
        kept = (*self.said, said)
        if len(kept) > MOST_SAID:
            all_of_them = self.model_copy(update={"said": kept})
            needed = {id(all_of_them.counts), id(all_of_them._first)}
            newest = {id(one) for one in kept[len(needed) - MOST_SAID :]}
            kept = tuple(one for one in kept if id(one) in needed | newest)
        return self.model_copy(update={"said": kept})

    @property
    def _first(self) -> Said:
        """The first verdict on enough rows, or else the newest one."""
        return next((one for one in self.said if one.verdict.outcome is not Outcome.COLLECTING), self.said[-1])


def trimmed(verdict: Verdict) -> Verdict:
    """The verdict without features that say little, so that it fits into an item whatever the number of columns."""
    scores = sorted(verdict.scores.items(), key=lambda entry: (-entry[1], entry[0]))[:MOST_NAMES]
    return verdict.model_copy(
        update={
            "scores": dict(scores),
            "findings": verdict.findings[:MOST_NAMES],
            "unjudged": verdict.unjudged[:MOST_NAMES],
        }
    )


class Stood(Value):
    """A day, and how the model stood after it."""

    day: date
    state: State
    since: date | None
    lasts: bool = False
    """True if the days up to this one are too unusual together, whatever each is alone."""


def stood(days: Iterable[JudgedDay]) -> list[Stood]:
    """How a version stood after each of its days, which are given oldest first."""
    known: Sequence[JudgedDay] = tuple(days)
    found, standing = [], Standing()
    for one in known:
        standing = standing.after(one.counts.verdict)
        since = None if standing.since is None else known[standing.since].day
        found.append(Stood(day=one.day, state=standing.state, since=since, lasts=standing.lasts))
    return found


class KeptWindow(Packed):
    """A judged day's counts, which others may be compared with later."""

    window: BankWindow
