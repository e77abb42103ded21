"""Errors between an alarm and the people who must hear of it."""

from __future__ import annotations

from collections.abc import Sequence

from headwater.errors import HeadwaterError, InvalidRequest, NotAllowed, NotFound, Refused


class NotificationFailed(HeadwaterError):
    """A receiver couldn't be told.

    Parameters
    ----------
    message : str
        One line without secrets.
    final : bool
        Whether trying again can't help.
    retry_after : float
        Seconds that the receiver asked to be left alone.
    """

    def __init__(self, message: str, *, final: bool = False, retry_after: float = 0) -> None:
        super().__init__(message)
        self.final, self.retry_after = final, retry_after


class InvalidWebhook(InvalidRequest):
    """A webhook's address isn't one that alarms may be sent to."""


class InvalidAlarm(InvalidRequest):
    """The document that was sent can't be read as alarms."""


class InvalidMute(InvalidRequest):
    """A mute is in the past, too long, or says nothing of why."""


class NoSuchGroup(NotFound):
    """No group of alarms has this id."""


class NoSuchMute(NotFound):
    """No mute has this id."""


class NoSuchReceiver(NotFound):
    """No receiver of the stack has this name."""


class _Changed(Refused):
    """Somebody else was faster; as an answer of the API 412 with the generation by now as its ETag.

    Parameters
    ----------
    generation : int
        The generation by now.
    """

    http_status = 412

    def __init__(self, message: str, *, generation: int = 0, next_steps: Sequence[str] = ()) -> None:
        super().__init__(message, next_steps=next_steps)
        self.generation = generation


class NoSuchHeartbeat(NotFound):
    """No heartbeat of this name is declared."""


class GroupChanged(_Changed):
    """The group isn't in the generation that the caller saw: read it again and decide anew."""


class MuteChanged(_Changed):
    """The mute isn't in the generation that the caller saw: read it again and decide anew."""


class GroupRefused(Refused):
    """The group's state doesn't allow what was asked."""


class InvalidAlarmRequest(InvalidRequest):
    """The request's body or header isn't what the route takes; the message names the field."""


class AlarmBodyTooLarge(HeadwaterError):
    """The request's body is longer than such a request may be."""

    http_status = 413


class NoCondition(HeadwaterError):
    """The request changes something and has no If-Match."""

    http_status = 428


class CallerUnknown(NotAllowed):
    """The request came without the identity that IAM gives to callers of this route."""


class LinkRefused(NotAllowed):
    """The link's token isn't genuine, is another group's, or has expired."""


class AlarmBusy(HeadwaterError):
    """Other events of the same alarm kept coming first; the event will be tried again."""

    http_status = 503
