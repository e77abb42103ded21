"""When a schedule fires: ``rate(...)``, ``cron(...)`` and ``at(...)``, in a time zone, between two dates."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from localcloud.events.cron import Cron

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)(s?)\)")
_AT = re.compile(r"at\((\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})\)")
_CRON = re.compile(r"cron\((.*)\)")

Next = Callable[[datetime], datetime | None]
"""From a time (UTC) to the next one strictly after it."""


@dataclass(frozen=True)
class Expression:
    """When something fires.

    Attributes
    ----------
    text : str
        As AWS takes it.
    zone : str
        In which ``cron`` and ``at`` are read, such as ``"Europe/Rome"``. A time that summer time skips is skipped; one
        that it repeats fires the first time only.
    first : datetime
        Of a ``rate``, when it fires first.
    start, end : datetime or None
        Nothing fires before or after.
    """

    text: str
    first: datetime
    zone: str = "UTC"
    start: datetime | None = None
    end: datetime | None = None

    def next_after(self, moment: datetime) -> datetime | None:
        """The next time strictly after ``moment`` (UTC), or None if there is none."""
        if self.text.startswith("at("):
            return _at(self.text, self.zone)(moment)
        if self.start is not None and moment < self.start:
            moment = self.start - timedelta(microseconds=1)
        is_rate = self.text.startswith("rate(")
        found = (_rate(self.text, self.first) if is_rate else _cron(self.text, self.zone))(moment)
        return None if found is not None and self.end is not None and found > self.end else found


def check(text: str, *, zone: str = "UTC", is_rule: bool = False) -> None:
    """Raise `ValueError` if AWS wouldn't take the expression.

    Parameters
    ----------
    is_rule : bool
        Rules know no ``at`` and insist on ``1 hour`` and ``2 hours``; the Scheduler doesn't mind.
    """
    if (rate := _RATE.fullmatch(text)) is not None:
        amount = int(rate[1])
        if amount < 1 or (is_rule and (amount == 1) != (rate[3] == "")):
            raise ValueError(f"{text} has the wrong number")
    elif _AT.fullmatch(text) is not None and not is_rule:
        _at(text, zone)
    elif _CRON.fullmatch(text) is not None:
        _cron(text, zone)
    else:
        raise ValueError(f"{text} is neither rate, cron nor at")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name} is not a time zone") from error


def _rate(text: str, first: datetime) -> Next:
    found = _RATE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text} is not rate(value unit)")
    interval = timedelta(**{f"{found[2]}s": int(found[1])})

    def after(moment: datetime) -> datetime:
        return first if moment < first else first + ((moment - first) // interval + 1) * interval

    return after


def _at(text: str, zone: str) -> Next:
    found = _AT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text} is not at(yyyy-mm-ddThh:mm:ss)")
    due = datetime.fromisoformat(found[1]).replace(tzinfo=_zone(zone)).astimezone(UTC)
    return lambda moment: due if due > moment else None


@lru_cache(maxsize=1024)
def _cron(text: str, zone: str) -> Next:
    found = _CRON.fullmatch(text)
    if found is None:
        raise ValueError(f"{text} is not cron(six fields)")
    cron, place = Cron.parse(found[1]), _zone(zone)

    def after(moment: datetime) -> datetime | None:
        for wall in cron.after(moment.astimezone(place).replace(tzinfo=None)):
            due = wall.replace(tzinfo=place).astimezone(UTC)
            is_skipped = due.astimezone(place).replace(tzinfo=None) != wall
            if not is_skipped and due > moment:
                return due
        return None

    return after
