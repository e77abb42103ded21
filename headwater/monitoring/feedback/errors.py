"""Why feedback isn't taken, or isn't found."""

from __future__ import annotations

from headwater.errors import InvalidRequest, NotAllowed, NotFound, Refused


class InvalidFeedback(InvalidRequest):
    """The body isn't what the feedback route takes."""


class FeedbackTooLarge(InvalidRequest):
    """The body is longer than the feedback route reads."""

    http_status = 413


class TokenRefused(NotAllowed):
    """The token isn't genuine, is another prediction's, or has expired: which of these isn't told."""


class FeedbackConflict(Refused):
    """The same ``write_id`` came before with other words."""


class FeedbackFull(Refused):
    """There is as much feedback on the prediction as is kept of one."""


class NoFeedback(NotFound):
    """Nobody said anything of the prediction."""
