"""Declarations of a model's versions, each as its training run kept it: a label means what it meant then."""

from __future__ import annotations

from headwater.declare import Model, Product
from headwater.monitoring.labels.errors import NoDefinition
from headwater.registry.errors import ArtifactInvalid, ArtifactNotFound
from headwater.registry.service import PRODUCTION, Registry
from headwater.registry.store import ArtifactStore
from headwater.registry.types import DEFINITION_FILE, ModelVersion


class Definitions:
    """Declarations of a model's versions."""

    def __init__(self, registry: Registry, artifacts: ArtifactStore) -> None:
        self._registry, self._artifacts = registry, artifacts
        self._read: dict[tuple[str, int], Product | None] = {}

    def current(self, model: str) -> Model:
        """The model as the version that serves declares it; by the newest version if none serves.

        Raises
        ------
        ModelNotRegistered
        NoDefinition
            None of its versions kept its declaration.
        """
        return self.product(model, self._registry.current(model, PRODUCTION)).models[0]

    def product(self, model: str, version: int | None) -> Product:
        """The declaration of a version; of one that kept none, or of none, that of the newest version that did.

        Raises
        ------
        ModelNotRegistered, NoDefinition
        """
        if version is not None and (found := self._of(model, version)) is not None:
            return found
        for entry in reversed(self._registry.versions(model)):
            if (found := self._of(model, entry.version, entry)) is not None:
                return found
        raise NoDefinition(
            f"no version of model {model!r} kept how it was declared: they were trained before that was kept, or their "
            "files were deleted",
            next_steps=[f"headwater train {model} --watch"],
        )

    def _of(self, model: str, version: int, entry: ModelVersion | None = None) -> Product | None:
        if (model, version) not in self._read:
            self._read[model, version] = self._load(entry or self._registry.version(model, version))
        return self._read[model, version]

    def _load(self, entry: ModelVersion) -> Product | None:
        try:
            return self._artifacts.load(entry.candidate.files[DEFINITION_FILE], Product)
        except (ArtifactNotFound, ArtifactInvalid, KeyError):
            return None
