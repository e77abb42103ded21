"""Banks and packages of model versions, each read once."""

from __future__ import annotations

from headwater.monitoring.drift.bank import Bank
from headwater.monitoring.errors import NoBank
from headwater.registry.errors import ArtifactInvalid, ArtifactNotFound, ModelNotRegistered, VersionNotFound
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore
from headwater.registry.types import BANK_FILE, Package

Known = tuple[Bank, Package]


class Versions:
    """Reads what training left of model versions."""

    def __init__(self, registry: Registry, artifacts: ArtifactStore) -> None:
        self.registry, self._artifacts = registry, artifacts
        self._read: dict[tuple[str, int], Known | str] = {}

    def known(self, model: str, version: int) -> Known:
        """The version's bank and package.

        Raises
        ------
        ModelNotRegistered, VersionNotFound
        NoBank
            The version was trained before training kept profiles of its days, or they are gone.
        """
        entry = self.registry.version(model, version)
        try:
            at = entry.candidate.files[BANK_FILE]
            if (found := self._read.get((model, version))) is None or isinstance(found, str):
                found = Bank.unpacked(self._artifacts.read(at)), self._artifacts.load(entry.package, Package)
                self._read[model, version] = found
        except (KeyError, ArtifactNotFound, ArtifactInvalid) as error:
            raise NoBank.of(model, version, "profiles of its training days") from error
        return found

    def get(self, model: str, version: int) -> Known | None:
        """The version's bank and package; None if there are none (`why_not`)."""
        found = self._read.get((model, version))
        if found is None:
            try:
                found = self.known(model, version)
            except (NoBank, ModelNotRegistered, VersionNotFound) as error:
                found = self._read[model, version] = error.message
        return None if isinstance(found, str) else found

    def why_not(self, model: str, version: int) -> str:
        """Why a version has no bank, in one line; empty if it has one."""
        found = self._read.get((model, version))
        return found if isinstance(found, str) else ""
