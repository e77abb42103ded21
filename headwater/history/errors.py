"""Errors between Pulumi's history and questions about a past state."""

from __future__ import annotations

from headwater.errors import InvalidRequest, NotFound, Refused


class NoHistory(NotFound):
    """The stack was deployed without a state bucket: nothing tells it of updates."""


class UpdateNotFound(NotFound):
    """The history has no such update."""


class AmbiguousUpdate(InvalidRequest):
    """The prefix belongs to several updates."""


class NothingExistedYet(NotFound):
    """The time is before the end of the first update that the history knows."""


class StateUnknown(NotFound):
    """The update is known, the state that it left isn't: its checkpoint is missing or can't be read."""


class StateBucketMissing(NotFound):
    """There is no such bucket."""


class FileUnreadable(InvalidRequest):
    """A file isn't what Pulumi's backend, or ``pulumi stack history --json``, writes."""


class RestoreRefused(Refused):
    """The update can't be brought back safely; nothing was changed."""
