"""Mutes that people ask for: once or again and again, checked, and what each would hit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from pydantic import AwareDatetime, Field, ValidationError

from headwater.alarms.errors import InvalidMute
from headwater.alarms.types import Group, Instance
from headwater.alarms.windows import Window, gap_between, last_window, next_window, window_at
from headwater.clock import in_utc
from headwater.declare.calendars import Calendar, business_days, holidays, weekdays
from headwater.declare.matchers import Matcher, Matchers, all_match
from headwater.declare.schedules import Schedule, said_of
from headwater.schedules.errors import HolidaysUnknown
from headwater.values import Stored

LONGEST_MUTE = timedelta(days=30)
"""The longest window in which nobody is told."""
LONGEST_RECURRENCE, RECURS_FOR = timedelta(days=366), timedelta(days=90)
"""How long windows come again: at most, and by default."""


class Mute(Stored):
    """Alarms that nobody is told of for a while; they are recorded all the same."""

    id: str
    match: Matchers
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    until_resolved: bool = False
    """True if the mute holds only for alarms that fired when it was made, until each has resolved."""
    schedule: Schedule | None = None
    """Each of its ticks begins a window in which the mute holds; None: it holds all the time."""
    lasts: timedelta | None = None
    """Length of each window, by the clocks of the schedule's zone."""
    author: str = Field(min_length=1, max_length=200)
    reason: str = Field(min_length=1, max_length=1_000)
    created_at: AwareDatetime
    removed_by: str = ""
    generation: int = 0
    """Raised by each change."""

    def window(self, now: datetime) -> Window | None:
        """The window that ``now`` is in; None if the mute doesn't hold then."""
        if not self.starts_at <= now < self.ends_at:
            return None
        if self.schedule is None or self.lasts is None:
            return self.starts_at, self.ends_at
        found = window_at(self.schedule, self.lasts, now)
        return self._bounded(found) if found else None

    def next_window(self, now: datetime) -> Window | None:
        """The window that ``now`` is in, or the first one after it; None if the mute is over."""
        if (here := self.window(now)) is not None:
            return here
        if self.schedule is None or self.lasts is None:
            return (self.starts_at, self.ends_at) if now < self.starts_at < self.ends_at else None
        found = next_window(self.schedule, self.lasts, max(now, self.starts_at))
        return self._bounded(found) if found and found[0] < self.ends_at else None

    def ended_between(self, since: datetime, now: datetime) -> datetime | None:
        """The end of the last window that ended after ``since`` and not after ``now``; None if none did."""
        until = min(now, self.ends_at)
        window: Window | None = (self.starts_at, self.ends_at)
        if self.schedule is not None and self.lasts is not None:
            # Somebody may have ended the mute within a window.
            cut = window_at(self.schedule, self.lasts, self.ends_at) if self.ends_at <= now else None
            window = cut or last_window(self.schedule, self.lasts, until)
            window = self._bounded(window) if window else None
        if window is None or not window[0] < window[1]:
            return None
        return window[1] if since < window[1] <= now else None

    def _bounded(self, window: Window) -> Window:
        return max(window[0], self.starts_at), min(window[1], self.ends_at)

    def hits(self, instance: Instance, now: datetime) -> bool:
        """Whether nobody is told of ``instance`` at ``now``."""
        return self.concerns(instance) and self.window(now) is not None

    def concerns(self, instance: Instance) -> bool:
        """True if the mute is about ``instance``, whatever the time."""
        return all_match(self.match, instance.labels) and not (self.until_resolved and instance.since > self.created_at)

    def words(self, end: datetime) -> str:
        """As notifications say it once a window is over, which was at ``end``."""
        return f"still firing; muted by {self.author} until {end:%Y-%m-%d %H:%M} UTC ({self.reason})"

    @property
    def times(self) -> str:
        """When the mute holds, for people."""
        until = f"until {self.ends_at:%Y-%m-%d %H:%M} UTC"
        if self.until_resolved:
            return f"until resolved, at most {until}"
        if self.schedule is None:
            return until
        return f"{self.schedule.said} {self.schedule.zone} for {said_of(self.lasts or timedelta(0))}, {until}"


def hitting(mutes: tuple[Mute, ...], instance: Instance, now: datetime) -> tuple[Mute, datetime] | None:
    """The mute that lasts longest of those that hit ``instance``, and its end; None if none does."""
    found = [
        (mute, window[1]) for mute in mutes if mute.concerns(instance) and (window := mute.window(now)) is not None
    ]
    return max(found, key=lambda one: one[1], default=None)


def new_mute(
    match: Sequence[str],
    *,
    author: str,
    reason: str,
    now: datetime,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    until_resolved: bool = False,
    cron: str | None = None,
    zone: str = "UTC",
    calendar: Calendar | None = None,
    lasts: timedelta | None = None,
) -> Mute:
    """A mute, checked.

    Parameters
    ----------
    match : sequence of str
        Matchers that must all hold, such as ``['model="flights"']``.
    author, reason : str
        Who doesn't want to hear of it, and why.
    now : datetime
        The time, UTC.
    starts_at, ends_at : datetime, optional
        By default from now on; with `until_resolved` for 30 days at most, with `cron` for 90 days.
    until_resolved : bool
        Whether it holds only for alarms that fire now, until each has resolved.
    cron, zone, calendar : str, str, Calendar, optional
        Beginnings of windows that come again, as a `Schedule` has them.
    lasts : timedelta, optional
        Length of each window.

    Raises
    ------
    InvalidMute
        It is in the past, longer than 30 days, matches everything, never holds or always, or says nothing of why.
    InvalidMatcher
        A matcher can't be read.
    """
    matchers = tuple(Matcher.parse(text) for text in match)
    _check_words(matchers, author, reason)
    schedule = _schedule(cron, zone, calendar, lasts, until_resolved=until_resolved)
    start, recurs = in_utc(starts_at, "starts_at") if starts_at else now, schedule is not None
    said = "|".join([*map(str, matchers), author, now.isoformat(), schedule.said if schedule else ""])
    made = Mute(
        id=hashlib.sha256(said.encode()).hexdigest()[:10],
        match=matchers,
        starts_at=start,
        ends_at=_end(start, ends_at, now, recurs=recurs, until_resolved=until_resolved),
        until_resolved=until_resolved,
        schedule=schedule,
        lasts=lasts,
        author=author,
        reason=reason,
        created_at=now,
    )
    if schedule is not None and lasts is not None:
        _check_windows(made, schedule, lasts)
    return made


def _end(start: datetime, given: datetime | None, now: datetime, *, recurs: bool, until_resolved: bool) -> datetime:
    """The end of a mute, given or by default; raises `InvalidMute` if it is none that a mute may have."""
    by_default = start + RECURS_FOR if recurs else start + LONGEST_MUTE if until_resolved else None
    end = in_utc(given, "ends_at") if given else by_default
    if end is None:
        raise InvalidMute("a mute needs an end: say for how long, until when, or until the alarms have resolved")
    if end <= now or end <= start:
        raise InvalidMute(f"the mute would end at {end:%Y-%m-%d %H:%M} UTC: that is in the past, or before it starts")
    longest = LONGEST_RECURRENCE if recurs else LONGEST_MUTE
    if end - start > longest:
        days = round((end - start).total_seconds() / 86_400, 1)
        raise InvalidMute(f"the mute would last {days:g} days: at most {longest.days} days, then look again")
    return end


def calendar_of(text: str) -> Calendar:
    """A calendar as the command line takes it.

    Parameters
    ----------
    text : str
        ``business-days:DE``, ``free-days:DE`` (weekends and holidays), ``holidays:DE-BY`` or ``weekdays:SAT,SUN``.

    Raises
    ------
    InvalidMute
        It isn't one of these.
    """
    kind, _, value = text.partition(":")
    country, _, subdivision = value.partition("-")
    every_day = weekdays("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
    try:
        match kind:
            case "business-days":
                return business_days(country, subdivision or None)
            case "free-days":
                return every_day - business_days(country, subdivision or None)
            case "holidays":
                return every_day & holidays(country, subdivision or None)
            case "weekdays":
                return weekdays(*value.split(","))  # type: ignore[arg-type]
    except ValidationError:
        # What it says is about a pattern; an example tells more.
        pass
    raise InvalidMute(f"calendar {text!r}: write business-days:DE, free-days:DE, holidays:DE-BY or weekdays:SAT,SUN")


def hits(mute: Mute, groups: Iterable[tuple[Group, Sequence[Instance]]], now: datetime) -> Iterator[Instance]:
    """Alarms that fire now and that the mute is about, whether or not it holds by now."""
    seen = set()
    for _, instances in groups:
        for instance in instances:
            if instance.fires(now) and mute.concerns(instance) and instance.fingerprint not in seen:
                seen.add(instance.fingerprint)
                yield instance


def _check_words(matchers: Matchers, author: str, reason: str) -> None:
    if not matchers or all(matcher.matches({}) for matcher in matchers):
        raise InvalidMute("a mute needs a matcher that an alarm without labels doesn't meet, such as 'model=flights'")
    if slow := next((matcher for matcher in matchers if matcher.may_take_for_ever), None):
        raise InvalidMute(
            f"{slow}: a repetition within a repetition, such as (a+)+, may take for ever on a text that it doesn't "
            "match: repeat once"
        )
    if not reason.strip() or len(reason) > 1_000:
        raise InvalidMute("a mute needs a reason of at most 1,000 characters: people read it once it is over")
    if not author.strip() or len(author) > 200:
        raise InvalidMute("a mute needs an author of at most 200 characters")


def _schedule(
    cron: str | None, zone: str, calendar: Calendar | None, lasts: timedelta | None, *, until_resolved: bool
) -> Schedule | None:
    if cron is None:
        if lasts is not None or calendar is not None or zone != "UTC":
            raise InvalidMute("a length, a calendar or a zone of windows needs their beginning: give cron")
        return None
    if until_resolved:
        raise InvalidMute("a mute that comes again can't end with the alarms: leave out cron, or until resolved")
    if lasts is None:
        raise InvalidMute(f"windows that begin at cron({cron}) need a length: say how long each lasts, such as 8h")
    if not timedelta(minutes=1) <= lasts <= LONGEST_MUTE:
        raise InvalidMute(
            f"a window of {said_of(lasts)}: expected at least a minute and at most {LONGEST_MUTE.days} days"
        )
    try:
        return Schedule(cron=cron, zone=zone, calendar=calendar)
    except ValidationError as error:
        raise InvalidMute(_first(error)) from None


def _check_windows(mute: Mute, schedule: Schedule, lasts: timedelta) -> None:
    try:
        gap = gap_between(schedule, lasts, mute.starts_at)
    except HolidaysUnknown as error:
        raise InvalidMute(error.message) from None
    if mute.next_window(mute.starts_at) is None:
        raise InvalidMute(f"{schedule.said} has no window before the mute ends, {mute.ends_at:%Y-%m-%d %H:%M} UTC")
    if gap is not None and gap <= timedelta(0):
        raise InvalidMute(
            f"windows of {said_of(lasts)} at {schedule.said} run into one another: nobody would ever be told"
        )


def _first(error: ValidationError) -> str:
    return str(error.errors()[0]["msg"]).removeprefix("Value error, ")
