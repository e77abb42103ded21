"""Operations of the routes about alarms, for the description of the API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

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
from headwater.errors import InvalidRequest
from headwater.routes import Route
from tools.reference.operation import Operation, parameter

PATHS = {
    "group": "A group of alarms: its id.",
    "mute": "A mute: its id.",
    "name": "A heartbeat that `alarms.py` declares.",
}
IF_MATCH = parameter(
    "If-Match", "ETag of the generation that the caller saw, or `*` for whichever.", within="header", required=True
)
_TOKEN = parameter("token", "Of the link in a notification.", required=True)
_PREVIEW = parameter(
    "preview", "`true`: say what it would hit, and keep nothing.", {"type": "boolean", "default": False}
)
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


OPERATIONS: Mapping[Route, Operation] = {
    routes.ALARMS: Operation("alarms", "Groups of alarms that aren't closed.", answers.GroupsAnswer, ()),
    routes.ALARM: Operation("alarmGroup", "One group of alarms.", answers.GroupAnswer, (NoSuchGroup,)),
    routes.ACK: Operation(
        "acknowledge", "Say that somebody is at it: quiet until a new alarm comes or the time is up.",
        answers.GroupAnswer, _CHANGES, body=QuietBody, query=(IF_MATCH,),
    ),
    routes.SNOOZE: Operation(
        "snooze", "Be quiet for a while, or until a new alarm comes.", answers.GroupAnswer, _CHANGES,
        body=QuietBody, query=(IF_MATCH,),
    ),
    routes.UNACK: Operation(
        "unacknowledge", "Take back an acknowledgement or a snooze.", answers.GroupAnswer, _CHANGES,
        body=ChangeBody, query=(IF_MATCH,),
    ),
    routes.CLOSE: Operation(
        "closeGroup", "Close a group of which nothing fires.", answers.GroupAnswer, _CHANGES,
        body=ChangeBody, query=(IF_MATCH,),
    ),
    routes.MUTES: Operation("mutes", "Mutes that hold or will hold.", answers.MutesAnswer, ()),
    routes.MUTE: Operation("mute", "One mute.", answers.MuteAnswer, (NoSuchMute,)),
    routes.NEW_MUTE: Operation(
        "newMute", "Tell nobody of alarms for a while, or in windows that come again.", answers.NewMuteAnswer,
        (InvalidMute, InvalidMatcher, InvalidAlarmRequest, AlarmBodyTooLarge, AlarmBusy), body=MuteBody,
        query=(_PREVIEW,),
    ),
    routes.END_MUTE: Operation(
        "endMute", "End a mute now; what it hit and still fires is told.", answers.MuteAnswer,
        (InvalidAlarmRequest, NoSuchMute, MuteChanged, NoCondition, AlarmBusy), query=(IF_MATCH,),
    ),
    routes.BEAT: Operation(
        "beat", "Say that something is alive.", answers.BeatAnswer, (NoSuchHeartbeat, AlarmBusy)
    ),
    routes.ALARM_PAGE: Operation(
        "alarmPage", "The page behind a notification's link; opening it changes nothing.", str, (LinkRefused,),
        query=(_TOKEN,), kinds=_HTML, refusal=str,
    ),
    routes.ALARM_PAGE_SENT: Operation(
        "alarmPageSent", "The page's form: acknowledges the group.", str,
        (LinkRefused, AlarmBodyTooLarge, InvalidRequest),
        kinds=_HTML, refusal=str,
    ),
}  # fmt: skip
