"""Operations of the routes about alarms, for the description of the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import BaseModel

from headwater import routes
from headwater.alarms import answers
from headwater.alarms.errors import (
    AlarmBodyTooLarge,
    AlarmBusy,
    GroupChanged,
    GroupRefused,
    InvalidAlarmRequest,
    InvalidMute,
    LinkRefused,
    MuteChanged,
    NoCondition,
    NoSuchGroup,
    NoSuchHeartbeat,
    NoSuchMute,
)
from headwater.declare.matchers import InvalidMatcher
from headwater.errors import HeadwaterError, InvalidRequest
from headwater.routes import Route
from headwater.serving.messages import ErrorAnswer

PATHS = {
    "group": "A group of alarms: its id.",
    "mute": "A mute: its id.",
    "name": "A heartbeat that `alarms.py` declares.",
}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "ETag of the generation that the caller saw, or `*` for whichever.",
    "schema": {"type": "string"},
}
_TOKEN = {
    "name": "token",
    "in": "query",
    "required": True,
    "description": "Of the link in a notification.",
    "schema": {"type": "string"},
}
_PREVIEW = {
    "name": "preview",
    "in": "query",
    "description": "`true`: say what it would hit, and keep nothing.",
    "schema": {"type": "boolean", "default": False},
}
_CHANGES = (InvalidAlarmRequest, NoSuchGroup, GroupRefused, GroupChanged, AlarmBodyTooLarge, NoCondition, AlarmBusy)
_HTML = ("text/html",)


class QuietBody(BaseModel, extra="forbid"):
    """An acknowledgement or a snooze."""

    until: datetime | None = None
    """Until when, with its time zone."""
    lasts: str | None = None
    """For how long instead, such as ``4h``; an acknowledgement without either lasts a day."""
    note: str = ""
    """Kept with the group; at most 1,000 characters."""
    by: str = ""
    """The person, if a program asks for one; the caller's identity is added."""


class ChangeBody(BaseModel, extra="forbid"):
    """A change without further words."""

    by: str = ""
    """The person, if a program asks for one; the caller's identity is added."""


class MuteBody(BaseModel, extra="forbid"):
    """A mute."""

    match: list[str]
    """Matchers that must all hold, such as ``model="flights"``."""
    reason: str
    """Why; people read it when the mute is over."""
    starts_at: datetime | None = None
    """From when on; by default now."""
    ends_at: datetime | None = None
    """Until when: at most 30 days, or 366 for windows that come again (by default 90 days then)."""
    until_resolved: bool = False
    """True if the mute holds only for alarms that fire now, until each has resolved."""
    cron: str | None = None
    """Beginnings of windows, as a schedule's ``cron``; the mute holds in these windows only."""
    zone: str = "UTC"
    """Time zone of the windows."""
    calendar: dict[str, Any] | None = None
    """Days on which windows begin, as a schedule's ``calendar`` is kept."""
    lasts: str | None = None
    """Length of each window, such as ``8h``."""
    by: str = ""
    """The person, if a program asks for one; the caller's identity is added."""


TEXTS = (
    answers.AlarmAnswer, answers.GroupAnswer, answers.GroupsAnswer, answers.MuteAnswer, answers.MutesAnswer,
    answers.NewMuteAnswer, answers.BeatAnswer, QuietBody, ChangeBody, MuteBody,
)  # fmt: skip
"""The classes whose fields' docstrings become the schemas' descriptions."""


class Described(NamedTuple):
    """An operation in words."""

    identity: str
    summary: str
    answer: Any
    errors: Sequence[type[HeadwaterError]]
    body: Any = None
    query: Sequence[Mapping[str, Any]] = ()
    kinds: Sequence[str] = ("application/json",)
    security: Sequence[Mapping[str, Any]] = ()
    refusal: Any = ErrorAnswer


DESCRIBED: Mapping[Route, Described] = {
    routes.ALARMS: Described("alarms", "Groups of alarms that aren't closed.", answers.GroupsAnswer, ()),
    routes.ALARM: Described("alarmGroup", "One group of alarms.", answers.GroupAnswer, (NoSuchGroup,)),
    routes.ACK: Described(
        "acknowledge", "Say that somebody is at it: quiet until a new alarm comes or the time is up.",
        answers.GroupAnswer, _CHANGES, body=QuietBody, query=(IF_MATCH,),
    ),
    routes.SNOOZE: Described(
        "snooze", "Be quiet for a while, or until a new alarm comes.", answers.GroupAnswer, _CHANGES,
        body=QuietBody, query=(IF_MATCH,),
    ),
    routes.UNACK: Described(
        "unacknowledge", "Take back an acknowledgement or a snooze.", answers.GroupAnswer, _CHANGES,
        body=ChangeBody, query=(IF_MATCH,),
    ),
    routes.CLOSE: Described(
        "closeGroup", "Close a group of which nothing fires.", answers.GroupAnswer, _CHANGES,
        body=ChangeBody, query=(IF_MATCH,),
    ),
    routes.MUTES: Described("mutes", "Mutes that hold or will hold.", answers.MutesAnswer, ()),
    routes.MUTE: Described("mute", "One mute.", answers.MuteAnswer, (NoSuchMute,)),
    routes.NEW_MUTE: Described(
        "newMute", "Tell nobody of alarms for a while, or in windows that come again.", answers.NewMuteAnswer,
        (InvalidMute, InvalidMatcher, InvalidAlarmRequest, AlarmBodyTooLarge, AlarmBusy), body=MuteBody,
        query=(_PREVIEW,),
    ),
    routes.END_MUTE: Described(
        "endMute", "End a mute now; what it hit and still fires is told.", answers.MuteAnswer,
        (InvalidAlarmRequest, NoSuchMute, MuteChanged, NoCondition, AlarmBusy), query=(IF_MATCH,),
    ),
    routes.BEAT: Described(
        "beat", "Say that something is alive.", answers.BeatAnswer, (NoSuchHeartbeat, AlarmBusy)
    ),
    routes.ALARM_PAGE: Described(
        "alarmPage", "The page behind a notification's link; opening it changes nothing.", str, (LinkRefused,),
        query=(_TOKEN,), kinds=_HTML, refusal=str,
    ),
    routes.ALARM_PAGE_SENT: Described(
        "alarmPageSent", "The page's form: acknowledges the group.", str,
        (LinkRefused, AlarmBodyTooLarge, InvalidRequest),
        kinds=_HTML, refusal=str,
    ),
}  # fmt: skip
