"""When something runs again: by cron or at an interval, in a zone, on the days of a calendar."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, StringConstraints, model_validator

from headwater.declare.base import Declaration
from headwater.declare.calendars import Calendar, Holidays
from headwater.declare.cron import Cron, parse
from headwater.declare.times import OptionalDuration

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
LONGEST_JITTER, LONGEST_INTERVAL = DAY, timedelta(days=366)
_RATE = re.compile(r"rate\(([1-9][0-9]{0,5}) (minute|hour|day)s?\)")
_ALL = re.compile(r"all\(([0-9]+)\)")
_FIRST_MONDAY = date(2000, 1, 3)


def _moment(given: Any) -> Any:
    """A day stands for its midnight."""
    if isinstance(given, date) and not isinstance(given, datetime):
        return datetime.combine(given, time())
    return given


Moment = Annotated[datetime, BeforeValidator(_moment)] | None


class Schedule(Declaration):
    """When something runs again: by `cron` or `every` so often, in a zone, on the days of a calendar.

    Every planned time is a tick. Headwater writes each tick into a ledger and starts it at most once, through changes
    to and from summer time, a pause, an outage and a changed schedule.
    """

    cron: str | None = None
    """Six fields as AWS writes them, minute to year: ``"0 6 ? * MON *"``. Exactly one of this and `every`."""
    every: OptionalDuration = None  # type: ignore[assignment]
    """Whole minutes, such as ``"6h"``, counted from `starts`, without it from Monday 3 January 2000, 00:00 in `zone`.
    Time that goes by: a day has 24 hours, also where the clocks are changed."""
    zone: str = "UTC"
    """IANA time zone that the times are read in, such as ``"Europe/Berlin"``."""
    calendar: Calendar | None = None
    """Days that it may run on, such as ``business_days("DE")``; by default every day."""
    roll: Literal["skip", "next", "previous"] = "skip"
    """For a time on a day that the calendar lacks: no tick, or one on the next or previous day that it has, at most 31
    days away."""
    dst: Literal["shift", "skip"] = "shift"
    """For a time that the change to summer time leaves out: a tick, as much later as the clocks are put forward, or
    none. A time that comes twice in autumn is one tick, the first time."""
    missed: Annotated[str, StringConstraints(pattern=r"^(last|none|all\(([1-9]|[1-4][0-9]|50)\))$")] = "last"
    """Ticks that nobody started in their time, after an outage: ``last``: the newest is started; ``none``: only one
    that is less than an hour late; ``all(5)``: the newest five (at most 50), oldest first."""
    overlap: Literal["forbid", "allow", "replace"] = "forbid"
    """For a tick whose predecessor still runs: it is skipped, runs beside it, or stops it."""
    starts: Moment = None
    """First moment, in `zone` unless it says an offset; a day is its midnight."""
    ends: Moment = None
    """Last moment, likewise."""
    jitter: OptionalDuration = None  # type: ignore[assignment]
    """Whole minutes, at most 24 hours: how much later a tick may be started, so that not all start at once."""
    expression: (
        Annotated[
            str,
            StringConstraints(pattern=r"^(rate\([1-9]\d{0,5} (minute|minutes|hour|hours|day|days)\)|cron\([^)]+\))$"),
        ]
        | None
    ) = None
    """The form of Headwater 0.1: ``cron(...)`` is `cron`, ``rate(...)`` is `every`."""
    timezone: str | None = None
    """The form of Headwater 0.1: `zone`."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = [name for name in ("cron", "every", "expression") if getattr(self, name) is not None]
        if len(given) != 1:
            said = f"{' and '.join(given)} are given" if given else "none is given"
            raise ValueError(f'schedule: exactly one of cron="0 6 ? * MON *" and every="6h" is needed, {said}')
        if self.timezone is not None and self.zone not in ("UTC", self.timezone):
            raise ValueError(f"schedule {self.said!r}: zone and timezone are the same thing, give zone alone")
        try:
            zone_of(self.timezone or self.zone)
            if self.cron_text is not None:
                parse(self.cron_text)
            self._check_interval()
            self._check_bounds()
            self._check_days()
        except ValueError as error:
            raise ValueError(f"schedule {self.said!r}: {error}") from None
        return self

    def _check_interval(self) -> None:
        for name, value, most in (
            ("every", self.interval, LONGEST_INTERVAL),
            ("jitter", self.jitter, LONGEST_JITTER),
        ):
            if value is not None and (value < MINUTE or value > most or value % MINUTE):
                raise ValueError(
                    f"{name} is {said_of(value)}: it must be whole minutes, at least one and at most {said_of(most)}"
                )
        if self.interval is not None and self.jitter is not None and self.jitter >= self.interval:
            raise ValueError(
                f"jitter ({said_of(self.jitter)}) must be shorter than the interval ({said_of(self.interval)})"
            )

    def _check_bounds(self) -> None:
        if self.first is not None and self.last is not None and self.last < self.first:
            raise ValueError(f"it ends ({self.ends}) before it starts ({self.starts})")

    def _check_days(self) -> None:
        if isinstance(self.calendar, Holidays):
            country = self.calendar.country
            raise ValueError(
                f'calendar=holidays("{country}") would run on holidays alone: write business_days("{country}") to run '
                f'on the others, or weekdays("MON", ..., "SUN") & holidays("{country}") if that is meant'
            )
        if self.roll != "skip" and self.calendar is None:
            raise ValueError(f"roll={self.roll!r} needs a calendar to roll by")
        if self.roll != "skip" and self.interval is not None:
            raise ValueError(f"roll={self.roll!r} needs cron: an interval has no time of day to keep")

    @property
    def place(self) -> ZoneInfo:
        """The zone that times are read in."""
        return zone_of(self.timezone or self.zone)

    @property
    def cron_text(self) -> str | None:
        """The six fields; None for an interval."""
        text = self.cron
        if self.expression is not None and self.expression.startswith("cron("):
            text = self.expression
        return None if text is None else text.removeprefix("cron(").removesuffix(")").strip()

    @property
    def parsed(self) -> Cron | None:
        """The cron expression, read; None for an interval."""
        return None if self.cron_text is None else parse(self.cron_text)

    @property
    def interval(self) -> timedelta | None:
        """The time between two ticks; None for a cron expression."""
        if self.expression is not None and (rate := _RATE.fullmatch(self.expression)) is not None:
            return timedelta(**{f"{rate[2]}s": int(rate[1])})
        return self.every

    @property
    def first(self) -> datetime | None:
        """The first moment at which it may fire, UTC."""
        return self._utc(self.starts)

    @property
    def last(self) -> datetime | None:
        """The last moment at which it may fire, UTC."""
        return self._utc(self.ends)

    @property
    def anchor(self) -> datetime:
        """The moment that an interval is counted from, UTC."""
        return self.first or datetime.combine(_FIRST_MONDAY, time(), self.place).astimezone(UTC)

    @property
    def most_missed(self) -> int:
        """How many ticks are started that nobody started in their time."""
        found = _ALL.fullmatch(self.missed)
        return int(found[1]) if found else 1 if self.missed == "last" else 0

    @property
    def said(self) -> str:
        """The times in one line: ``cron(0 6 ? * MON *)`` or ``every 6h``."""
        if self.cron_text is not None:
            return f"cron({self.cron_text})"
        return f"every {said_of(self.interval)}" if self.interval is not None else ""

    def _utc(self, moment: datetime | None) -> datetime | None:
        if moment is None:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=self.place)).astimezone(UTC)


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo:
    """The time zone; raises `ValueError` if there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone: give an IANA name such as 'Europe/Berlin'") from None


def said_of(length: timedelta) -> str:
    """A duration as products write it: ``1h30m``."""
    rest, parts = int(length.total_seconds()), []
    for unit, seconds in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if rest // seconds:
            parts.append(f"{rest // seconds}{unit}")
            rest %= seconds
    return "".join(parts) or "0s"
