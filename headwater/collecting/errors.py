"""Errors of collectors."""

from __future__ import annotations

from headwater.errors import HeadwaterError, InvalidRequest, NotFound, Refused


class CollectorNotFound(NotFound):
    """The stack has no collector of that name."""


class CollectFailed(HeadwaterError):
    """The database, address or bucket can't be reached, or answers what nobody expects; nothing was lost."""

    http_status = 502


class CollectorMoved(Refused):
    """Another run took the collector over, or reset it: this one's rows don't count, and the other one has them."""


class CollectorBusy(HeadwaterError):
    """Others kept writing the same collector first; asking again is safe."""

    http_status = 503


class DeclarationChanged(Refused):
    """The collector reads something else than what its cursor is of."""


class BadSetting(InvalidRequest):
    """A setting that a stack would have for itself has no usable name or value, or isn't declared."""


class BadCursor(InvalidRequest):
    """A cursor isn't JSON, or is too long."""
