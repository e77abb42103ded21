"""Errors of schedules and their ledger."""

from __future__ import annotations

from headwater.errors import HeadwaterError, InvalidRequest, NotFound, Refused


class ScheduleNotFound(NotFound):
    """The stack has no schedule of that name."""


class HolidaysUnknown(InvalidRequest):
    """The package that knows public holidays is missing, or knows no such country or subdivision."""


class BadRange(InvalidRequest):
    """The range of a backfill is empty, lies ahead or has too many ticks."""


class StillRuns(Refused):
    """A run of the schedule is in progress, and the schedule forbids two at once."""


class NotPaused(Refused):
    """The schedule isn't paused."""


class ScheduleBusy(HeadwaterError):
    """Others kept writing the same schedule first; asking again is safe."""

    http_status = 503
