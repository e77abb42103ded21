"""Finds where in a stack data of an entity lies, and everything that was made from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC

from headwater.clock import Clock, utc_now
from headwater.declare import FeatureView, Source
from headwater.errors import NotFound
from headwater.features.definitions import Definitions
from headwater.features.online.reading import online_key
from headwater.features.online.store import OnlineStore
from headwater.graph import Node, Places
from headwater.lake.store import ARRIVED, IngestionLog
from headwater.lake.types import CURATED, LANDING, STREAMED, Ingestion, IngestionStatus, Upload
from headwater.lineage.forgetting.holdings import DatasetHistory, Place
from headwater.lineage.forgetting.report import (
    DAYS,
    Entity,
    Forgetting,
    Held,
    HoldingCommit,
    OnlineItem,
    Progress,
    commands_of,
    days_left,
)
from headwater.lineage.forgetting.searching import MOST_ENTITIES, Candidate, Search, candidates_of
from headwater.lineage.forgetting.store import ObjectVersions, at_once
from headwater.lineage.impact import Impacts, TouchedVersion
from headwater.lineage.index import Index
from headwater.lineage.walking import MOST_NODES, Walker
from headwater.registry.errors import ModelNotRegistered
from headwater.registry.service import Registry
from headwater.serving.store import COMPACTED, LABELLED, PredictionStore
from headwater.training.types import TRAINING_SET_FILE
from headwater.values import Pointer
from headwater.versions.service import Versions
from headwater.versions.types import STAGING

_SOURCES, _MODELS, _QUARANTINE = "sources/", "models/", "quarantine/"
_ALL_AS_LANDED = Source.model_fields["sql"].default
_ALWAYS_LEFT = (
    "backups and exports of the tables, access logs, and what functions wrote into their logs",
    "features/online-shards/ and spark/ in the lake: rows on their way, which expire after 14 and 7 days",
)


class UnknownSource(NotFound):
    """Nothing was ever uploaded to such a source."""


@dataclass
class _Views:
    """The definitions of feature views that know the entity's join keys."""

    by_name: dict[str, list[FeatureView]] = field(default_factory=dict)

    def keys(self, view: str) -> tuple[tuple[str, ...], ...]:
        return tuple(dict.fromkeys(definition.entity for definition in self.by_name.get(view, ())))


class Erasure:
    """Reports on one entity at a time; reads only.

    Parameters
    ----------
    places : Places
        Where the stack keeps its facts.
    index : Index
        Of lineage, up to date.
    walker : Walker
    features_table : str
        The online store; empty if nobody says which.
    """

    def __init__(
        self,
        places: Places,
        index: Index,
        walker: Walker,
        *,
        features_table: str = "",
        now: Clock = utc_now,
    ) -> None:
        self._places, self._index, self._walker, self._now = places, index, walker, now
        self._features_table = features_table
        self._table, clients = places.table, places.clients
        self._versions = Versions(places.lake_bucket, self._table, clients)
        self._log = IngestionLog(self._table)
        self._lake = ObjectVersions(places.lake_bucket, clients)
        self._artifacts = ObjectVersions(places.artifacts_bucket, clients)

    def report(self, entity: Entity, *, days: int = DAYS, progress: Progress = lambda _: None) -> Forgetting:
        """Search for ``entity`` everywhere, and find what was made from the commits that hold it.

        Parameters
        ----------
        entity : Entity
        days : int
            The last days of the prediction log to search; 0: none.
        progress : callable

        Raises
        ------
        InvalidEntity, UnknownColumn, UnknownSource
        """
        search, views = Search(entity, progress, self._places.clients), _Views()
        sources, datasets = self._sources(entity), self._datasets(entity)
        if entity.source is None:
            views = self._views(entity)
        histories = [DatasetHistory(self._versions.dataset(name), self._table) for name in datasets]
        for history in histories:
            search.through(self._of_dataset(history, views, search))
        for source in sources:
            search.through(candidates_of("quarantined", _SOURCES + source, self._lake.under(f"{_QUARANTINE}{source}/")))
        if entity.source is None:
            self._through_views(search, views)
            search.through(self._training_sets())
            search.through_records(self._records(search, days))
            search.through_labels(self._batches())
        search.insist(known=any(set(entity.values) <= set(keys) for view in views.by_name for keys in views.keys(view)))
        online = tuple(self._online(search, views))
        file_of = self._landed(search, sources)
        places = {_place(held.at) for held in search.held}
        holding = {history.name: history.holding(places) for history in histories}
        files = tuple(_located(search.held, histories, holding))
        touched, versions = self._made_from(search, holding, files)
        self._leave_notes(search, entity, bool(versions))
        # A version that serves is trained again even if its files are kept.
        serving = [each for each in versions if any(alias.until is None for alias in each.aliases)]
        return Forgetting(
            entity=entity,
            files=files,
            online=online,
            commits=tuple(_commits(histories, holding)),
            views=tuple(node.id for node in touched if node.kind == "view"),
            sets=tuple(node.id for node in touched if node.kind == "set"),
            versions=versions,
            searched=search.searched,
            unsearched=search.unsearched,
            commands=tuple(commands_of(files, online, serving, file_of)),
        )

    # -- what there is ------------------------------------------------------------------------------------------

    def _datasets(self, entity: Entity) -> list[str]:
        names = [name for name in self._versions.datasets() if not name.startswith(_MODELS)]
        return [name for name in names if entity.source is None or name == _SOURCES + entity.source]

    def _sources(self, entity: Entity) -> list[str]:
        """Names of sources that something was uploaded to."""
        known = {name.removeprefix(_SOURCES) for name in self._versions.datasets() if name.startswith(_SOURCES)}
        known |= set(self._lake.folders(f"{LANDING}/"))
        if entity.source is not None and entity.source not in known:
            raise UnknownSource(
                f"nothing was uploaded to a source {entity.source!r}; there are {', '.join(sorted(known))}"
            )
        return sorted(known) if entity.source is None else [entity.source]

    def _views(self, entity: Entity) -> _Views:
        """The views of which a definition has columns of those names."""
        definitions, found = Definitions(self._table), _Views()
        for current in definitions.all():
            name = current.view.name
            every = [entry.view for entry in definitions.versions(name)]
            columns = {*(key for view in every for key in view.entity)}
            columns |= {feature.name for view in every for feature in view.features}
            if set(entity.values) <= columns:
                found.by_name[name] = every
        return found

    def _of_dataset(self, history: DatasetHistory, views: _Views, search: Search) -> Iterator[Candidate]:
        """Every file version that a commit ever held, and those that wait for a commit or lost theirs."""
        name, others = history.name, 0
        kind = "curated" if name.startswith(_SOURCES) else "streamed" if name.startswith(f"{STREAMED}/") else "file"
        keys = views.keys(name.removeprefix(f"{STREAMED}/")) if kind == "streamed" else ()
        seen = set[Place]()
        for place, entry in history.files().items():
            seen.add(place)
            if entry.path.endswith(".parquet"):
                at = Pointer(bucket=entry.bucket, key=entry.key, version_id=entry.version_id)
                yield Candidate(kind, name, at, entry.size, keys)
            else:
                others += 1
        short = name.removeprefix(_SOURCES)
        prefixes = {
            "curated": (f"{CURATED}/{short}@", f"{CURATED}/{short}/"),
            "streamed": (f"{name}/",),
        }.get(kind, ())
        for prefix in (*prefixes, f"{STAGING}{name}@"):
            for one in self._lake.under(prefix):
                place = one.pointer.bucket, one.pointer.key, one.pointer.version_id
                if place in seen:
                    continue
                if one.pointer.key.endswith(".parquet"):
                    yield Candidate(kind, name, one.pointer, one.size, keys)
                else:
                    others += 1
        if others:
            search.notes.append(f"{name}: {others:,} file versions that aren't Parquet")

    def _through_views(self, search: Search, views: _Views) -> None:
        for name in views.by_name:
            keys, of = views.keys(name), f"view {name}"
            kept = candidates_of("offline rows", of, self._lake.under(f"features/{name}/"))
            search.through(one._replace(keys=keys) for one in kept)
            waiting = candidates_of("arrived", of, self._lake.under(f"{ARRIVED}{name}/"), ".jsonl")
            search.through_lines(one._replace(keys=keys) for one in waiting)

    def _training_sets(self) -> Iterator[Candidate]:
        for one in self._artifacts.under("runs/"):
            if one.pointer.key.endswith(f"/{TRAINING_SET_FILE}"):
                yield Candidate("training set", f"model {one.pointer.key.split('/')[1]}", one.pointer, one.size)

    def _records(self, search: Search, days: int) -> Iterator[Candidate]:
        """The prediction log's records of the last days."""
        if not (bucket := self._places.predictions_bucket):
            search.notes.append("the prediction log: nobody said in which bucket it is")
            return
        today, clients = self._now().astimezone(UTC).date(), self._places.clients
        store, objects = PredictionStore(bucket, clients), ObjectVersions(bucket, clients)
        for model in store.models():
            recent, earlier = days_left(store.days(model), days, today)
            for day in recent:
                prefix = f"{model}/date={day.isoformat()}/"
                yield from candidates_of("prediction", f"model {model}", objects.under(prefix), ".json")
            if earlier:
                span = f"{earlier[0]} to {earlier[-1]}" if len(earlier) > 1 else str(earlier[0])
                search.notes.append(
                    f"predictions of {model} of {len(earlier):,} earlier days ({span}): --days {days} leaves them out"
                )
            if parts := sum(1 for _ in objects.under(f"{COMPACTED}{model}/")):
                search.notes.append(
                    f"{parts:,} tables of predictions of {model} under {COMPACTED}{model}/ hold the same rows by hour"
                )

    def _batches(self) -> Iterator[Candidate]:
        """Every version of a batch of written labels, of all days."""
        if bucket := self._places.predictions_bucket:
            for one in ObjectVersions(bucket, self._places.clients).under(LABELLED):
                yield Candidate("label", f"model {one.pointer.key.split('/')[1]}", one.pointer, one.size)

    # -- what it led to -----------------------------------------------------------------------------------------

    def _online(self, search: Search, views: _Views) -> Iterator[OnlineItem]:
        """The items of the online store that hold the entity's newest values."""
        wanted = search.entity.values
        groups: dict[tuple[str, ...], dict[str, None]] = {}
        for name in views.by_name:
            for keys in views.keys(name):
                if set(wanted) <= set(keys):
                    groups.setdefault(keys, {})[name] = None
        if groups and not self._features_table:
            search.notes.append("the online store: nobody said which table it is")
            return
        for keys, names in groups.items():
            entities = search.entities.get(keys, set())
            if len(keys) == len(wanted):
                entities = {tuple(wanted[key] for key in keys)}
            else:
                search.notes.append(
                    f"online items of {', '.join(names)}: looked up by {', '.join(keys)}, so only entities that their "
                    "rows name were looked for"
                )
            chosen = sorted(entities)[:MOST_ENTITIES]
            if len(entities) > len(chosen):
                search.notes.append(f"online items of {', '.join(names)}: more than {MOST_ENTITIES:,} entities")
            by_key = {key: None for entity in chosen if (key := online_key(keys, entity)) is not None}
            # An item exists or it doesn't, whatever definitions have values in it.
            there = OnlineStore(self._features_table, self._places.clients).read(list(by_key), (), consistent=True)
            for key in by_key:
                if key in there:
                    yield OnlineItem(table=self._features_table, key=key, views=tuple(names))

    def _landed(self, search: Search, sources: Iterable[str]) -> dict[str, str]:
        """Add the landed files behind what was found; the uploaded file behind each, by its version as text."""
        file_of: dict[str, str] = {}
        for source in sources:
            made = (*self._log.ingestions(source), *self._log.remade(source))
            behind = {
                _place(pointer): entry.upload
                for entry in made
                for pointer in (entry.curated, entry.quarantine)
                if pointer is not None
            }
            found: dict[Place, Upload] = {}
            for held in list(search.held):
                upload = behind.get(_place(held.at))
                if upload is not None and held.of == _SOURCES + source:
                    file_of[held.uri] = f"{source}/{upload.file}"
                    found[upload.bucket, upload.key, upload.version_id] = upload
            for bucket, key, version_id in found:
                at = Pointer(bucket=bucket, key=key, version_id=version_id)
                if self._lake.is_there(at):
                    search.held.append(Held(kind="landed", of=_SOURCES + source, at=at, rows=None))
            search.notes += self._not_in_rows(source, made)
        return file_of

    def _not_in_rows(self, source: str, made: Iterable[Ingestion]) -> Iterator[str]:
        """Landed files whose rows are in no file that was searched."""
        counted = {
            (entry.upload.key, entry.upload.version_id) for entry in made if entry.status is IngestionStatus.INGESTED
        }
        left = [
            one.pointer.key
            for one in self._lake.under(f"{LANDING}/{source}/")
            if one.size and (one.pointer.key, one.pointer.version_id) not in counted
        ]
        if left:
            names = ", ".join(list(dict.fromkeys(left))[:3])
            yield f"{len(left):,} landed file versions of {source} that were refused or wait, such as {names}"
        if any(entry.declared.get("sql", _ALL_AS_LANDED) != _ALL_AS_LANDED for entry in self._log.definitions(source)):
            yield f"landed files of {source} without a hit: its SQL may leave out rows and columns that they hold"

    def _made_from(
        self, search: Search, holding: Mapping[str, Mapping[str, frozenset[Place]]], files: Iterable[Held]
    ) -> tuple[list[Node], tuple[TouchedVersion, ...]]:
        """All that was made from the commits that hold rows, and the versions that learnt from them."""
        found = dict[Node, None]()
        for dataset, commits in holding.items():
            used = {edge.above for edge in self._index.of_thing(f"data:{dataset}", "DOWN")}
            starts = sorted(node for node in used if node.version in commits)
            for walk in at_once(lambda start: self._walker.walk(start, "DOWN"), starts):
                found |= dict.fromkeys(walk.nodes[1:])
                if walk.cut:
                    search.notes.append(f"more than {MOST_NODES:,} nodes that were made from {walk.start.id}")
        registry, impacts = Registry(self._table), Impacts(self._walker, self._places)
        models = {(node.name, int(node.version)) for node in found if node.kind == "model"}
        for held in files:
            if held.kind == "training set":
                _, model, run_id, _ = held.at.key.split("/", 3)
                try:
                    models |= {(model, each.version) for each in registry.versions(model) if each.run_id == run_id}
                except ModelNotRegistered:
                    continue
        touched = [impacts.touched(Node("model", model, str(number))) for model, number in sorted(models)]
        return sorted(found), tuple(touched)

    def _leave_notes(self, search: Search, entity: Entity, learnt: bool) -> None:
        if entity.source is not None:
            search.notes.append(
                f"everything but source {entity.source}: views, values online, training sets and predictions are "
                "looked through by a join key (--key)"
            )
        kinds = {held.kind for held in search.held}
        if "quarantined" in kinds:
            search.notes.append("reasons in the registry (headwater ingestions) quote values of rejected rows")
        if "offline rows" in kinds:
            search.notes.append("features/statistics/ in the lake: counts of values, among them frequent texts")
        if "prediction" in kinds:
            search.notes.append("what end users said of these predictions (headwater feedback list)")
        if self._places.predictions_bucket:
            search.notes.append(
                "labels that name a prediction by its id alone: those of predictions of days that weren't searched"
            )
        if learnt:
            search.notes.append(
                "the other files of runs and of models/ datasets: graphs know categories, golden.json holds examples"
            )
        search.notes += _ALWAYS_LEFT


def _place(pointer: Pointer) -> Place:
    return pointer.bucket, pointer.key, pointer.version_id


def _located(
    held: Iterable[Held], histories: Iterable[DatasetHistory], holding: Mapping[str, Mapping[str, frozenset[Place]]]
) -> Iterator[Held]:
    """The found versions, with the number of commits that hold each, and the refs that do now."""
    commits, refs = dict[Place, int](), dict[Place, set[str]]()
    for history in histories:
        for name, places in holding[history.name].items():
            for place in places:
                commits[place] = commits.get(place, 0) + 1
                refs.setdefault(place, set()).update(history.refs.get(name, ()))
    for each in held:
        place = _place(each.at)
        yield each.model_copy(update={"commits": commits.get(place, 0), "refs": tuple(sorted(refs.get(place, ())))})


def _commits(
    histories: Iterable[DatasetHistory], holding: Mapping[str, Mapping[str, frozenset[Place]]]
) -> Iterator[HoldingCommit]:
    for history in histories:
        for name, places in holding[history.name].items():
            yield HoldingCommit(
                dataset=history.name,
                commit=name,
                at=history.times[name],
                refs=history.refs.get(name, ()),
                files=len(places),
            )
