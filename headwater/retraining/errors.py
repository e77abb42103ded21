"""Errors of the retraining policy."""

from __future__ import annotations

from headwater.errors import HeadwaterError, InvalidRequest, NotFound, Refused


class NoSuchModel(NotFound):
    """The stack has no model of this name."""


class NoPolicy(NotFound):
    """The stack was deployed without the function that keeps the policy."""


class RetrainingRefused(Refused):
    """The policy trains nothing now; the message says why."""


class NotPaused(Refused):
    """The model's policy isn't paused."""


class BadPause(InvalidRequest):
    """A pause that is over before it begins."""


class RetrainingBusy(HeadwaterError):
    """Others kept writing the model's state first; the event is tried again."""

    http_status = 503
