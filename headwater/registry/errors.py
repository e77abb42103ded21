"""Errors between a candidate and the alias that serves it."""

from __future__ import annotations

from headwater.errors import HeadwaterError, NotFound, Refused


class ModelNotRegistered(NotFound):
    """No version of that model was ever registered."""


class VersionNotFound(NotFound):
    """The model has no version of that number."""


class AliasNotFound(NotFound):
    """The model has no alias of that name."""


class ArtifactNotFound(NotFound):
    """A file that a training run should have left behind isn't there."""


class ArtifactInvalid(Refused):
    """A file that a training run left behind can't be read as what it should be."""


class VersionNotReady(Refused):
    """The version failed a gate, or doesn't exist: no alias may point at it."""


class AliasMoved(Refused):
    """The alias points elsewhere by now; nothing was changed."""


class ChampionMoved(Refused):
    """Another version serves than the one that the candidate was judged against; nothing was registered."""


class LeakSuspected(Refused):
    """The version's score is too good to be trusted; it serves only if a person says why."""


class NothingToRollBackTo(Refused):
    """The alias's log knows no version before the one it points at."""


class RegistryBusy(HeadwaterError):
    """Too many writers at once, or DynamoDB is throttling; nothing was changed and trying again may help."""

    http_status = 503
