"""Errors between a request and its prediction."""

from __future__ import annotations

from headwater.errors import HeadwaterError, InvalidRequest, NotFound


class UnknownModel(NotFound):
    """No model of that name, or no such alias of it, serves predictions."""


class InvalidBody(InvalidRequest):
    """The request's body isn't what the API takes."""


class BodyTooLarge(InvalidRequest):
    """The request's body is longer than the API reads."""

    http_status = 413


class ArtifactCorrupted(HeadwaterError):
    """The model's bytes aren't those that were registered; they are never run."""


class PredictionFailed(HeadwaterError):
    """The model gave no usable number for a valid request."""


class RegistryUnavailable(HeadwaterError):
    """The registry or the artifacts can't be read, and what is known is too old to go on with."""

    http_status = 503


class GoldenMismatch(HeadwaterError):
    """A staged version didn't answer its golden requests as its training run did."""


class NothingLogged(NotFound):
    """The prediction log has nothing of what was asked for."""
