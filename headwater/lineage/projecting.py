"""Headwater's own facts as OpenLineage events, from the logs that keep them: the logs are the outbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from headwater.features.definitions import Definitions
from headwater.features.errors import UnknownView, UnknownViewVersion
from headwater.features.facts import view_node
from headwater.features.online.records import Materialisation
from headwater.graph import Log, Places
from headwater.lake.store import IngestionLog
from headwater.lake.types import Definition, Ingestion, IngestionStatus, Upload
from headwater.lineage.foreign import names_of
from headwater.lineage.openlineage.columns import ColumnLineage, view_columns
from headwater.lineage.openlineage.errors import ColumnsUnknown
from headwater.lineage.openlineage.events import OLEvent, RunContext
from headwater.lineage.openlineage.projection import (
    alias_event,
    ingestion_events,
    materialisation_events,
    training_events,
)
from headwater.registry.errors import ArtifactInvalid, ArtifactNotFound
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore
from headwater.registry.types import AliasMove, ModelVersion, Package
from headwater.storage.logs import ItemLog
from headwater.versions.errors import Corrupt
from headwater.versions.refs import datasets
from headwater.versions.service import Versions
from headwater.versions.types import MAIN

_SOURCES = "sources/"
Events = tuple[OLEvent, ...]


class Projection:
    """Projects commits of uploads, materialisations, registered versions and moves of aliases."""

    def __init__(self, places: Places) -> None:
        self._names = names_of(places)
        self._table = places.table
        self._registry, self._definitions = Registry(self._table), Definitions(self._table)
        self._ingestions = IngestionLog(self._table)
        self._artifacts = ArtifactStore(places.artifacts_bucket, places.clients)
        self._versions = Versions(places.lake_bucket, self._table, places.clients)

    def logs(self) -> Iterator[Log[Events]]:
        """The log of each source, view and model."""
        for dataset in datasets(self._table):
            if dataset.startswith(_SOURCES):
                source, moves = dataset.removeprefix(_SOURCES), f"LOG#branch#{MAIN}#"
                yield self._log(dataset, f"DATA#{dataset}", moves, self._ingestion, is_ordered=True)
                yield self._log(f"refusals/{source}", f"SOURCE#{source}", "INGESTION#", self._refusal)
        for definition in self._definitions.all():
            view = definition.view.name
            yield self._log(f"views/{view}", f"VIEW#{view}", "MATERIALISATION#", self._materialisation)
        for model in self._registry.models():
            pk = f"MODEL#{model}"
            yield self._log(f"models/{model}", pk, "VERSION#", self._training, is_ordered=True)
            yield self._log(f"aliases/{model}", pk, "LOG#", self._alias)

    def _log(
        self, name: str, pk: str, prefix: str, project: Callable[[dict[str, Any]], Events], *, is_ordered: bool = False
    ) -> Log[Events]:
        return ItemLog(name=name, table=self._table, pk=pk, prefix=prefix, tell=project, is_ordered=is_ordered)

    def _ingestion(self, item: Mapping[str, Any]) -> Events:
        if item["to"] is None:
            return ()
        try:
            commit = self._versions.commit(item["to"])
        except Corrupt:
            return ()
        upload = commit.meta.get("upload", "")
        place, _, version_id = upload.removeprefix("s3://").rpartition("?versionId=")
        bucket, _, key = place.partition("/")
        if not (bucket and key):
            # Reingested, merged, reverted or committed by hand: no upload was ingested.
            return ()
        found = self._ingestions.ingestion(Upload(bucket=bucket, key=key, version_id=version_id, size=0, sequencer="0"))
        if found is None:
            return ()
        known = {each.digest: each for each in self._ingestions.definitions(found.source)}
        return ingestion_events(
            self._names,
            found,
            definition=known.get(found.definition),
            columns=None,
            context=RunContext(started_at=found.at),
        )

    def _refusal(self, item: Mapping[str, Any]) -> Events:
        """A refused upload, which has no commit; one that was ingested is told by its commit."""
        found = Ingestion.model_validate_json(item["document"])
        if found.status is not IngestionStatus.REFUSED:
            return ()
        return ingestion_events(self._names, found, context=RunContext(started_at=found.at))

    def _materialisation(self, item: Mapping[str, Any]) -> Events:
        done = Materialisation.model_validate_json(item["document"])
        try:
            definition = self._definitions.definition(done.view, done.version)
        except (UnknownView, UnknownViewVersion):
            return materialisation_events(self._names, done)
        columns: ColumnLineage | None = None
        landed = {source.name: list(self._columns(source.name)) for source in definition.sources}
        # A view whose SQL can't be followed is told without its columns: nothing is guessed.
        with suppress(ColumnsUnknown):
            columns = view_columns(definition.view, definition.sources, landed)
        context = RunContext(started_at=done.at, owner=definition.view.owner)
        return materialisation_events(self._names, done, definition=definition, columns=columns, context=context)

    def _columns(self, source: str) -> Mapping[str, str]:
        """The columns that a source's newest contract declares, with their types in words."""
        found: tuple[Definition, ...] = self._ingestions.definitions(source)
        return found[-1].columns if found else {}

    def _training(self, item: Mapping[str, Any]) -> Events:
        version = ModelVersion.model_validate_json(item["document"])
        try:
            package = self._artifacts.load(version.package, Package)
        except (ArtifactNotFound, ArtifactInvalid):
            return ()
        read = {
            view_node(feature.view, feature.version, version.candidate.data_version)
            for feature in package.features
            if feature.version
        }
        context = RunContext(started_at=version.candidate.created_at)
        return training_events(self._names, version, package, also_read=sorted(read), context=context)

    def _alias(self, item: Mapping[str, Any]) -> Events:
        return (alias_event(self._names, AliasMove.from_item(item)),)
