"""The differences between two versions of a model, kind by kind, from data to infrastructure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Literal

from headwater.graph import Places
from headwater.lake.types import dataset_of
from headwater.lineage.standing import Moments
from headwater.registry.errors import ArtifactInvalid, ArtifactNotFound
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore
from headwater.registry.types import ModelVersion, Package
from headwater.values import Value
from headwater.versions.errors import Corrupt, DatasetNotFound, RevisionNotFound
from headwater.versions.service import Versions

LOCK_FILE = "requirements.txt"
MOST_FILES = 200
"""Files of one source that a difference names; more are counted."""


class FileChange(Value):
    """A file that two commits have otherwise."""

    path: str
    kind: Literal["added", "removed", "changed", "repinned"]


class DataDifference(Value):
    """A source that two versions learnt from."""

    source: str
    before: str | None
    """The commit; None if that version didn't read the source."""
    after: str | None
    files: tuple[FileChange, ...] = ()
    more: int = 0
    """Number of further files."""
    unknown: str = ""
    """Why the files aren't known."""


class FieldDifference(Value):
    """Something else that two versions have otherwise; None where it isn't there."""

    kind: str
    """``definition``, ``parameter``, ``metric``, ``lock``, ``code`` or ``infrastructure``."""
    name: str
    before: Any
    after: Any


class VersionDifference(Value):
    """From one version of a model to another."""

    model: str
    before: int
    after: int
    data: tuple[DataDifference, ...]
    """Every source, also those that are the same."""
    fields: tuple[FieldDifference, ...]
    """All that differs, by kind and name."""
    same: tuple[str, ...]
    """Kinds in which nothing differs."""


KINDS = ("definition", "parameter", "metric", "lock", "code", "infrastructure")


class Differences:
    """Compares versions."""

    def __init__(self, places: Places) -> None:
        table = places.table
        self._registry, self._artifacts = Registry(table), ArtifactStore(places.artifacts_bucket, places.clients)
        self._versions, self._moments = Versions(places.lake_bucket, table, places.clients), Moments(places)

    def between(self, model: str, before: int, after: int) -> VersionDifference:
        """The differences from version ``before`` to version ``after`` of a model; raises `VersionNotFound`."""
        one, other = self._registry.version(model, before), self._registry.version(model, after)
        commits = one.candidate.commits, other.candidate.commits
        data = [
            self._data(source, *(side.get(source) for side in commits)) for source in sorted({*commits[0], *commits[1]})
        ]
        fields: list[FieldDifference] = []
        for kind, sides in zip(KINDS, zip(self._sides(one), self._sides(other), strict=True), strict=True):
            fields += _fields(kind, *sides)
        different = {field.kind for field in fields}
        return VersionDifference(
            model=model,
            before=before,
            after=after,
            data=tuple(data),
            fields=tuple(fields),
            same=tuple(kind for kind in KINDS if kind not in different),
        )

    def _sides(self, entry: ModelVersion) -> Iterator[Mapping[str, Any]]:
        """The values that a version has of each of `KINDS`."""
        candidate = entry.candidate
        package: Package | None = None
        with suppress(ArtifactNotFound, ArtifactInvalid):
            package = self._artifacts.load(entry.package, Package)
        yield {feature.view: feature.version for feature in (package.features if package else ())}
        yield candidate.parameters
        yield candidate.metrics
        yield {LOCK_FILE: self._lock(entry)}
        yield {"image": candidate.code_version}
        update = self._moments.update(entry.registered_at)
        yield {"update": update.id if update else None, "commit": update.commit if update else None}

    def _lock(self, entry: ModelVersion) -> str | None:
        """The checksum of a version's lock file."""
        if entry.commit is None:
            return None
        with suppress(DatasetNotFound, RevisionNotFound, Corrupt):
            found = self._versions.dataset(f"models/{entry.model}").find(LOCK_FILE, entry.commit)
            return found.checksum if found else None
        return None

    def _data(self, source: str, before: str | None, after: str | None) -> DataDifference:
        found = DataDifference(source=source, before=before, after=after)
        if before is None or after is None or before == after:
            return found
        try:
            changes = [
                FileChange(path=change.path, kind=change.kind)  # type: ignore[arg-type]
                for change in self._versions.dataset(dataset_of(source)).diff(before, after)
            ]
        except (Corrupt, RevisionNotFound, DatasetNotFound) as error:
            return found.model_copy(update={"unknown": str(error)})
        left = max(0, len(changes) - MOST_FILES)
        return found.model_copy(update={"files": tuple(changes[:MOST_FILES]), "more": left})


def _fields(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FieldDifference]:
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield FieldDifference(kind=kind, name=name, before=before.get(name), after=after.get(name))
