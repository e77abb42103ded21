"""Errors between an alarm and the people who must hear of it."""

from __future__ import annotations

from headwater.errors import HeadwaterError, InvalidRequest


class NotificationFailed(HeadwaterError):
    """A recipient couldn't be told; trying the event again tells only those who weren't."""


class InvalidWebhook(InvalidRequest):
    """A webhook's address isn't one that alarms may be sent to."""


class AlarmBusy(HeadwaterError):
    """Other events of the same alarm kept coming first; the event will be tried again."""

    http_status = 503
