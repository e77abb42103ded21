"""Errors of OpenLineage events."""

from __future__ import annotations

from headwater.errors import InvalidRequest


class InvalidEvent(InvalidRequest):
    """A text that is no event of OpenLineage, or an event that claims what only Headwater itself can say."""


class EventTooLarge(InvalidRequest):
    """An event of more bytes than are taken in."""

    http_status = 413


class ColumnsUnknown(InvalidRequest):
    """A query whose columns can't be traced, and the reason."""
