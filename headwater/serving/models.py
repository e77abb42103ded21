"""Which model serves right now: promotions arrive within seconds, and an ailing registry doesn't stop predictions."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from headwater.registry.errors import ModelNotRegistered, RegistryBusy, VersionNotFound
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore
from headwater.serving.errors import RegistryUnavailable, UnknownModel
from headwater.serving.predictor import Predictor

_OUTAGES = (BotoCoreError, ClientError, RegistryBusy)
_MOST_LOADED = 8
_MOST_ALIASES = 64

OnStale = Callable[[str, str, Exception], None]


def _say_nothing(_model: str, _alias: str, _error: Exception) -> None:
    pass


@dataclass(slots=True)
class _Known:
    predictor: Predictor
    confirmed: float
    """When the registry last said so."""
    asked: float
    """When the registry was last asked; later than ``confirmed`` while it doesn't answer."""


class ServingModels:
    """The loaded versions, and which of them an alias means.

    Parameters
    ----------
    registry, artifacts : Registry, ArtifactStore
        Where versions are looked up and loaded from.
    refresh_after : float
        Seconds for which an alias is believed without asking again: how long a promotion takes to arrive.
    stale_after : float
        Seconds for which the last known version goes on serving when the registry or S3 doesn't answer.
    on_stale : callable
        Called with model, alias and the error each time that happens.
    clock : callable
        Monotonic seconds.
    """

    def __init__(
        self,
        registry: Registry,
        artifacts: ArtifactStore,
        *,
        refresh_after: float = 3.0,
        stale_after: float = 600.0,
        on_stale: OnStale = _say_nothing,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry, self._artifacts = registry, artifacts
        self._refresh_after, self._stale_after = refresh_after, stale_after
        self._on_stale, self._clock = on_stale, clock
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()
        self._loaded: OrderedDict[tuple[str, int], Predictor] = OrderedDict()

    def get(self, model: str, alias: str) -> Predictor:
        """The predictor of the version that ``alias`` means.

        Raises
        ------
        UnknownModel
            The registry says that there is none.
        RegistryUnavailable
            It doesn't answer, and nothing recent enough is known.
        ArtifactCorrupted, ArtifactInvalid, ArtifactNotFound
            There is one and it can't be run.
        """
        known, now = self._known.get((model, alias)), self._clock()
        if known is not None and now - known.asked < self._refresh_after:
            return known.predictor
        try:
            predictor = self._ask(model, alias)
        except _OUTAGES as error:
            if known is None or now - known.confirmed >= self._stale_after:
                raise RegistryUnavailable(f"{model}@{alias} can't be looked up at the moment") from error
            known.asked = now
            self._on_stale(model, alias, error)
            return known.predictor
        except UnknownModel:
            self._known.pop((model, alias), None)
            raise
        self._known[model, alias] = _Known(predictor, now, now)
        if len(self._known) > _MOST_ALIASES:
            self._known.popitem(last=False)
        return predictor

    def _ask(self, model: str, alias: str) -> Predictor:
        number = self._registry.current(model, alias)
        if number is None:
            # The API's callers learn no names of models, aliases or versions that they didn't know.
            raise UnknownModel(f"no model {model!r} serves under the alias {alias!r}")
        if (model, number) not in self._loaded:
            try:
                version = self._registry.version(model, number)
            except (ModelNotRegistered, VersionNotFound) as error:
                raise UnknownModel(f"no model {model!r} serves under the alias {alias!r}") from error
            self._loaded[model, number] = Predictor.load(self._artifacts, version)
            if len(self._loaded) > _MOST_LOADED:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end((model, number))
        return self._loaded[model, number]
