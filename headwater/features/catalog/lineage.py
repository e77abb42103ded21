"""Lineage of a feature view: its sources with their contracts, the view, and the model versions that use it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pydantic import computed_field

from headwater.features.definitions import Definition
from headwater.lake.types import dataset_of
from headwater.registry.errors import ArtifactInvalid, ArtifactNotFound
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore
from headwater.registry.types import ModelVersion, Package
from headwater.storage.table import Table
from headwater.values import Value
from headwater.versions.refs import Refs
from headwater.versions.types import MAIN

READERS = 8


class Use(Value):
    """A model version that looks up features of a view."""

    model: str
    version: int
    status: str
    aliases: tuple[str, ...]
    view: str
    view_version: str | None
    """Version of the view's definition; None in packages of an older format."""
    features: tuple[str, ...]
    """Features of the view."""


class SourceOfView(Value):
    """A source that a view reads."""

    source: str
    description: str
    contract: str
    """Reference to the source's contract; empty if the definition was stored without its sources."""
    commit: str | None
    """The commit that the branch ``main`` points at now; None without data."""
    materialised: str | None
    """The commit that the view's last materialisation read."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def behind(self) -> bool:
        """Whether the source has data that the last materialisation didn't read."""
        return self.commit is not None and self.commit != self.materialised


class Lineage(Value):
    """From sources through a view to the models."""

    view: str
    version: str
    feature: str | None
    """The requested feature; None for the whole view."""
    features: tuple[str, ...]
    sources: tuple[SourceOfView, ...]
    uses: tuple[Use, ...]


@dataclass(frozen=True)
class Uses:
    """Which model versions use which views, as their packages say."""

    registry: Registry
    artifacts: ArtifactStore

    def served(self) -> frozenset[tuple[str, str]]:
        """Each view and version of its definition that a model version with an alias looks up."""
        found = set()
        for model in self.registry.models():
            for number in set(self.registry.aliases(model).values()):
                package = self._package(self.registry.version(model, number))
                features = package.features if package is not None else ()
                found |= {(entry.view, entry.version) for entry in features if entry.version}
        return frozenset(found)

    def of(self, view: str) -> tuple[Use, ...]:
        """The model versions that use ``view``: by model, the newest first.

        Each registered version's package is read: a small file each, several at once.
        """
        found = []
        for model in self.registry.models():
            aliases = self.registry.aliases(model)
            versions = sorted(self.registry.versions(model), key=lambda entry: -entry.version)
            with ThreadPoolExecutor(READERS, thread_name_prefix="packages") as pool:
                packages = pool.map(self._package, versions)
                for entry, package in zip(versions, packages, strict=True):
                    if package is not None and (use := _use(entry, package, aliases, view)) is not None:
                        found.append(use)
        return tuple(found)

    def _package(self, entry: ModelVersion) -> Package | None:
        try:
            return self.artifacts.load(entry.package, Package)
        except (ArtifactNotFound, ArtifactInvalid):
            # A version whose files are gone can't serve, so it is left out.
            return None


def _use(entry: ModelVersion, package: Package, aliases: dict[str, int], view: str) -> Use | None:
    features = [feature for feature in package.features if feature.view == view]
    if not features:
        return None
    return Use(
        model=entry.model,
        version=entry.version,
        status=entry.status.value,
        aliases=tuple(sorted(name for name, to in aliases.items() if to == entry.version)),
        view=view,
        view_version=features[0].version,
        features=tuple(feature.feature for feature in features),
    )


def sources_of(store: Table, definition: Definition, materialised: dict[str, str]) -> tuple[SourceOfView, ...]:
    """The sources of a view, each with its branch's commit and the commit that was read last."""
    declared = {source.name: source for source in definition.sources}
    found = []
    for name in definition.view.sources:
        head = Refs(store, dataset_of(name)).get("branch", MAIN)
        source = declared.get(name)
        found.append(
            SourceOfView(
                source=name,
                description=source.description if source else "",
                contract=source.contract if source else "",
                commit=head.commit if head else None,
                materialised=materialised.get(name),
            )
        )
    return tuple(found)


def trace(definition: Definition, feature: str | None, sources: Sequence[SourceOfView], uses: Sequence[Use]) -> Lineage:
    """Build the lineage of a view, or of one of its features."""
    return Lineage(
        view=definition.view.name,
        version=definition.version,
        feature=feature,
        features=(feature,) if feature else tuple(entry.name for entry in definition.view.features),
        sources=tuple(sources),
        uses=tuple(use for use in uses if feature is None or feature in use.features),
    )
