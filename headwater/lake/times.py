"""Texts that are times, dates and durations, as ISO 8601 and Python's ``strptime`` write them; never a guess."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal

_DAY = (
    r"(?:(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)|(?P<y2>\d{4})(?P<m2>\d\d)(?P<d2>\d\d)"
    r"|(?P<wy>\d{4})-?W(?P<w>\d\d)(?:-?(?P<wd>[1-7]))?|(?P<oy>\d{4})-?(?P<o>\d{3}))"
)
_CLOCK = r"(?P<H>\d\d)(?::?(?P<M>\d\d)(?::?(?P<S>\d\d))?)?(?:[.,](?P<f>\d+))?"
_ZONE = r"(?P<z>[Zz]|[+\-\u2212]\d\d(?::?\d\d(?::?\d\d)?)?)"
_ISO = re.compile(rf"{_DAY}(?:[Tt ]{_CLOCK}\s?{_ZONE}?)?", re.ASCII)
_CLOCKS = re.compile(
    r"(?P<s>[+-]?)(?:(?P<d>\d+)\s*(?:days?|d),?\s*)?(?:(?P<H>\d+):(?P<M>[0-5]\d):(?P<S>[0-5]\d(?:\.\d+)?))?"
)
_PERIOD = re.compile(
    r"(?P<s>[+-]?)P(?:(?P<w>\d+)W)?(?:(?P<d>\d+)D)?"
    r"(?:T(?:(?P<H>\d+)H)?(?:(?P<M>\d+)M)?(?:(?P<S>\d+(?:[.,]\d+)?)S)?)?"
)
EPOCHS = {"epoch_seconds": 1_000_000, "epoch_milliseconds": 1000, "epoch_microseconds": 1}
"""Microseconds in one."""
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - naive values are UTC here
_MICROSECOND = timedelta(microseconds=1)


def reader_of_times(formats: Sequence[str], zone: tzinfo | None) -> Callable[[str], datetime | None]:
    """Make a function that parses a text as a time (UTC, naive); it returns None if the text isn't exactly one time.

    Parameters
    ----------
    formats : sequence of str
        As in `headwater.declare.Source.times`; none for ISO 8601. A text that two formats read as different times is
        refused.
    zone : tzinfo, optional
        Zone of times without an offset; UTC by default. A local time that a clock shows twice or never is refused.
    """
    readers = [_reader(written) for written in formats or ("iso8601",)]

    def read(text: str) -> datetime | None:
        found = set()
        for reader in readers:
            try:
                if (moment := reader(text.strip())) is not None:
                    found.add(in_utc(moment, zone))
            except (ValueError, OverflowError):
                continue
        return found.pop() if len(found) == 1 else None

    return read


def _reader(written: str) -> Callable[[str], datetime | None]:
    if written == "iso8601":
        return iso_time
    if unit := EPOCHS.get(written):
        return lambda text: _since_epoch(text, unit)
    return lambda text: datetime.strptime(text, written)  # noqa: DTZ007 - `in_utc` settles the zone


def in_utc(moment: datetime, zone: tzinfo | None) -> datetime | None:
    """A time in UTC, naive; None if the clock of ``zone`` shows it twice or never."""
    if moment.tzinfo is None:
        if zone is None or zone is UTC:
            return moment
        first, second = (moment.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
        if first.utcoffset() != second.utcoffset():
            return None
        moment = first
    return moment.astimezone(UTC).replace(tzinfo=None)


def iso_time(text: str) -> datetime | None:
    """A text in any form of ISO 8601 that names a day; None if it isn't, or is finer than a microsecond.

    Calendar, week and ordinal dates, basic and extended, with a blank for the T, a comma for the point, and with or
    without an offset.
    """
    matched = _ISO.fullmatch(text)
    if matched is None:
        return None
    part = matched.groupdict()
    day = _day(part)
    if part["H"] is None:
        return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - `in_utc` settles the zone
    hour = int(part["H"])
    # A fraction is one of the smallest unit that is there.
    unit = 1_000_000 if part["S"] is not None else 60_000_000 if part["M"] is not None else 3_600_000_000
    fraction = Decimal(f"0.{part['f']}") * unit if part["f"] else Decimal(0)
    minute, second = int(part["M"] or 0), int(part["S"] or 0)
    if fraction != int(fraction) or hour > 24 or minute > 59 or second > 59:
        return None
    if hour == 24 and (minute or second or fraction):
        return None
    moment = datetime(day.year, day.month, day.day) + timedelta(  # noqa: DTZ001
        hours=hour, minutes=minute, seconds=second, microseconds=int(fraction)
    )
    return moment if part["z"] is None else moment.replace(tzinfo=_offset(part["z"]))


def _day(part: dict[str, str | None]) -> date:
    if part["y"] or part["y2"]:
        return date(*(int(part[name] or part[f"{name}2"] or 0) for name in ("y", "m", "d")))
    if part["wy"]:
        return date.fromisocalendar(int(part["wy"]), int(part["w"] or 0), int(part["wd"] or 1))
    day = date(int(part["oy"] or 0), 1, 1) + timedelta(days=int(part["o"] or 0) - 1)
    if day.year != int(part["oy"] or 0):
        raise ValueError(f"no day {part['o']} in {part['oy']}")
    return day


def _offset(text: str) -> tzinfo:
    if text in "Zz":
        return UTC
    digits = text[1:].replace(":", "").ljust(6, "0")
    hours, minutes, seconds = int(digits[:2]), int(digits[2:4]), int(digits[4:])
    if hours > 23 or minutes > 59 or seconds > 59:
        raise ValueError(f"no offset: {text}")
    ahead = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return timezone(ahead if text[0] == "+" else -ahead)


def _since_epoch(text: str, unit: int) -> datetime | None:
    if not _NUMBER.fullmatch(text):
        return None
    microseconds = Decimal(text) * unit
    return _EPOCH + int(microseconds) * _MICROSECOND if microseconds == int(microseconds) else None


def whole_day(moment: datetime | None) -> date | None:
    """The day of a time that is its first moment."""
    return moment.date() if moment is not None and moment.time() == datetime.min.time() else None


def duration(text: str) -> timedelta | None:
    """A text such as ``1 days 02:03:04.5`` or ``P1DT2H``; None if it is none, or a month or year is part of it.

    Parquet has no negative durations and counts milliseconds: a finer one is None, too.
    """
    text = text.strip()
    matched = _PERIOD.fullmatch(text) or _CLOCKS.fullmatch(text)
    if matched is None or text.endswith(("P", "T")):
        return None
    part = {name: value for name, value in matched.groupdict().items() if value}
    sign = part.pop("s", "")
    if not part:
        return None
    seconds = Decimal(part.get("S", "0").replace(",", "."))
    milliseconds = seconds * 1000
    if sign == "-" or milliseconds != int(milliseconds):
        return None
    return timedelta(
        weeks=int(part.get("w", 0)),
        days=int(part.get("d", 0)),
        hours=int(part.get("H", 0)),
        minutes=int(part.get("M", 0)),
        milliseconds=int(milliseconds),
    )
