"""Requests of the API as people and programs send them: bounded, read field by field, and conditional."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from pydantic import AwareDatetime, Field, ValidationError

from headwater.alarms.errors import AlarmBodyTooLarge, InvalidAlarmRequest, NoCondition
from headwater.declare.calendars import Calendar
from headwater.declare.times import OptionalDuration
from headwater.values import Value

MOST_BYTES = 8_192
"""Longest body."""
LONGEST_NOTE = 1_000
_TAG = re.compile(r'\s*(?:W/)?"([0-9]{1,9})"\s*')
_Body = TypeVar("_Body", bound=Value)


class QuietBody(Value):
    """An acknowledgement or a snooze."""

    until: AwareDatetime | None = None
    """Until when, with its time zone."""
    lasts: OptionalDuration = None  # type: ignore[assignment]
    """For how long instead, such as ``4h``; an acknowledgement without either lasts a day."""
    note: str = Field(default="", max_length=LONGEST_NOTE)
    """Kept with the group."""
    by: str = Field(default="", max_length=200)
    """The person, if a program asks for one; the caller's identity is added."""

    def end(self, now: datetime) -> datetime | None:
        """Until when; None if the body doesn't say."""
        if self.until is not None and self.lasts is not None:
            raise InvalidAlarmRequest("until and lasts exclude each other")
        try:
            return now + self.lasts if self.lasts is not None else self.until
        except OverflowError as error:
            raise InvalidAlarmRequest(f"lasts {self.lasts}: longer than time is counted") from error


class ChangeBody(Value):
    """A change without further words."""

    by: str = Field(default="", max_length=200)
    """The person, if a program asks for one; the caller's identity is added."""


class MuteBody(Value):
    """A mute."""

    match: list[str] = Field(min_length=1, max_length=20)
    """Matchers that must all hold, such as ``model="flights"``."""
    reason: str
    """Why; people read it when the mute is over."""
    starts_at: AwareDatetime | None = None
    """From when on; by default now."""
    ends_at: AwareDatetime | None = None
    """Until when: at most 30 days, or 366 for windows that come again (by default 90 days then)."""
    until_resolved: bool = False
    """True if the mute holds only for alarms that fire now, until each has resolved."""
    cron: str | None = Field(default=None, max_length=200)
    """Beginnings of windows, as a schedule's ``cron``; the mute holds in these windows only."""
    zone: str = Field(default="UTC", max_length=100)
    """Time zone of the windows."""
    calendar: Calendar | None = None
    """Days on which windows begin, as a schedule's ``calendar``."""
    lasts: OptionalDuration = None  # type: ignore[assignment]
    """Length of each window, such as ``8h``."""
    by: str = Field(default="", max_length=200)
    """The person, if a program asks for one; the caller's identity is added."""


def read(body: bytes, kind: type[_Body]) -> _Body:
    """A request's body.

    Raises
    ------
    AlarmBodyTooLarge
        It is longer than `MOST_BYTES`.
    InvalidAlarmRequest
        It isn't JSON of that form: one line that names the field.
    """
    if len(body) > MOST_BYTES:
        raise AlarmBodyTooLarge(f"the body has {len(body):,} bytes: at most {MOST_BYTES:,}")
    try:
        return kind.model_validate_json(body or b"{}")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        raise InvalidAlarmRequest(f"{where}: {first['msg'].removeprefix('Value error, ')}"[:500]) from None
    except RecursionError:
        raise InvalidAlarmRequest("the body: nested too deep") from None


def condition(headers: Mapping[str, Any]) -> int | None:
    """The generation that ``If-Match`` names; None for ``*``.

    Raises
    ------
    NoCondition
        The header is missing: two people at once wouldn't hear of each other.
    InvalidAlarmRequest
        It names no generation.
    """
    given = str(headers.get("if-match") or "")
    if not given:
        raise NoCondition('send the header If-Match with the ETag that you saw, such as "3", or * for any')
    if given.strip() == "*":
        return None
    if (found := _TAG.fullmatch(given)) is None:
        raise InvalidAlarmRequest(f'If-Match {given[:40]!r}: expected an ETag of this API, such as "3", or *')
    return int(found[1])


def caller(event: Mapping[str, Any], by: str) -> str:
    """The person who asks: the caller's identity by IAM, behind the name that the body gives."""
    identity = (event["requestContext"].get("authorizer") or {}).get("iam") or {}
    arn = str(identity.get("userArn") or "")
    name = arn.rpartition(":")[2].removeprefix("assumed-role/").removeprefix("user/") or "unknown"
    return f"{by.strip()} ({name})"[:200] if by.strip() else name[:200]
