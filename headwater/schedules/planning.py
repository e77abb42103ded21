"""Decides about ticks that aren't in the ledger yet: started, skipped or missed. No clock and no AWS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from headwater.declare import Schedule
from headwater.schedules.ticks import Tick
from headwater.schedules.types import Pause, TickStatus

LATE = timedelta(hours=1)
"""With ``missed="none"``: how late a tick is still started. For as long EventBridge tries to wake the ledger."""


@dataclass(frozen=True)
class Planned:
    """A tick and what is done with it."""

    tick: Tick
    status: TickStatus
    since: datetime | None = None
    """Where the interval of its run begins."""
    reason: str = ""


def plan(
    schedule: Schedule,
    found: Sequence[Tick],
    *,
    now: datetime,
    covered: datetime | None,
    pause: Pause | None,
    busy: str,
) -> tuple[list[Planned], datetime | None]:
    """Decide about ticks.

    Parameters
    ----------
    schedule : Schedule
        Its rules for missed ticks and overlaps.
    found : sequence of Tick
        Ticks up to ``now`` that aren't in the ledger, in order.
    now : datetime
        UTC.
    covered : datetime or None
        Where the next run's interval begins.
    pause : Pause or None
    busy : str
        The run that is in progress; empty if there is none.

    Returns
    -------
    list of Planned
        Each tick with its status, in order.
    datetime or None
        Where the next run's interval begins afterwards. Runs follow one another without a gap, except for pauses.
    """
    kept = _kept(schedule, [tick for tick in found if not (pause and pause.holds(tick.at))], now)
    made: list[Planned] = []
    for tick in found:
        if pause and pause.holds(tick.at):
            made.append(Planned(tick, TickStatus.SKIPPED, reason=str(pause)))
            covered = tick.at
        elif tick.at not in kept:
            made.append(Planned(tick, TickStatus.MISSED, reason=_missed(schedule, now)))
        elif busy and schedule.overlap == "forbid":
            made.append(Planned(tick, TickStatus.SKIPPED, reason=f"run {busy} still ran"))
        else:
            made.append(Planned(tick, TickStatus.DUE, since=covered))
            covered = tick.at
    return made, covered


def _kept(schedule: Schedule, found: Sequence[Tick], now: datetime) -> set[datetime]:
    """The ticks that are started, by their times."""
    if schedule.missed == "none":
        return {tick.at for tick in found[-1:] if now - tick.at < LATE}
    # A run that replaces the one before leaves only the newest.
    most = 1 if schedule.overlap == "replace" else schedule.most_missed
    return {tick.at for tick in found[-most:]}


def _missed(schedule: Schedule, now: datetime) -> str:
    late = f"nobody came before {now:%Y-%m-%d %H:%M} UTC"
    return f"{late}; missed={schedule.missed!r} doesn't catch up with it"
