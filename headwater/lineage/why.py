"""From one prediction to everything that made it: read from the facts themselves, in about a dozen reads.

The prediction's record names the version and the age of each value; the version's record names its commits, training
set and image; the logs say who let it serve, and which infrastructure stood.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

from pydantic import AwareDatetime

from headwater.clock import Clock, utc_now
from headwater.errors import HeadwaterError, InvalidRequest
from headwater.features.online.records import Materialisation, Materialisations
from headwater.graph import Node, Places
from headwater.history.types import Update
from headwater.lake.types import dataset_of
from headwater.lineage.differences import LOCK_FILE
from headwater.lineage.errors import PredictionNotFound
from headwater.lineage.index import Index, merged
from headwater.lineage.standing import Moments
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore
from headwater.registry.types import AliasMove, ModelVersion, Package, PackageFeature
from headwater.serving.facts import place_of, prediction_node
from headwater.serving.store import PredictionStore
from headwater.values import Value
from headwater.versions.errors import Corrupt
from headwater.versions.service import Versions

T = TypeVar("T")
DAYS = 14
"""Days that are looked through for a request whose day nobody gave, today first."""
_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class ValueOrigin(Value):
    """Where the values of one view came from that a prediction saw."""

    view: str
    definition: str | None
    """Version of the view's definition; None in packages of before they said so."""
    entity: Mapping[str, Any]
    """The join keys' values, by request input."""
    status: str
    """``FOUND``, ``MISSING``, ``EXPIRED``, ``FUTURE``, or ``GIVEN`` with the request."""
    event_time: AwareDatetime | None
    """When the values were true; None without any."""
    values: Mapping[str, Any]
    materialised_at: AwareDatetime | None = None
    """The moment of the newest materialisation of that definition by then; None if none is recorded."""
    commits: Mapping[str, str] = {}
    """The commits that it read, by source."""


class CommitOrigin(Value):
    """A commit that a version learnt from."""

    source: str
    dataset: str
    commit: str
    at: AwareDatetime | None = None
    by: str = ""
    message: str = ""
    upload: str = ""
    """The file whose upload made the commit; empty of other commits."""


class Why(Value):
    """All that made one prediction."""

    request_id: str
    node: str
    model: str
    version: int
    alias: str
    received_at: AwareDatetime
    as_of: AwareDatetime
    instances: int
    instance: int
    """Which of the request's instances is told of, from 0."""
    inputs: Mapping[str, Any]
    answer: Mapping[str, Any]
    values: tuple[ValueOrigin, ...]
    run_id: str
    started_by: str = ""
    """The person, script, notebook or schedule that started the run; empty of runs from before it was recorded."""
    trained_at: AwareDatetime | None = None
    graph_sha256: str = ""
    training_set: str = ""
    parameters: Mapping[str, Any] = {}
    metrics: Mapping[str, float] = {}
    code_version: str = ""
    """The image that trained it, by digest, or the commit of its code."""
    lock: str = ""
    """The lock file of the packages that trained it, as a version of an object in S3."""
    commits: tuple[CommitOrigin, ...] = ()
    move: AliasMove | None = None
    """The move that let the version serve under the alias."""
    update: Update | None = None
    """The infrastructure that stood; None if the history knows no update by then."""
    deployed: tuple[str, ...] = ()
    """The bundles of code, the image and the tree that this infrastructure held, as nodes."""
    notes: tuple[str, ...] = ()
    """Gaps and oddities, in words."""


class Explaining:
    """Explains predictions."""

    def __init__(self, places: Places, *, now: Clock = utc_now) -> None:
        self._places, self._now = places, now
        self._table = places.table
        self._registry = Registry(self._table)
        self._artifacts = ArtifactStore(places.artifacts_bucket, places.clients)
        self._predictions = PredictionStore(places.predictions_bucket, places.clients)
        self._versions = Versions(places.lake_bucket, self._table, places.clients)
        self._moments, self._index = Moments(places), Index(self._table)

    def why(
        self,
        request: str,
        *,
        model: str | None = None,
        day: date | datetime | None = None,
        days: int = DAYS,
        instance: int = 0,
    ) -> Why:
        """Everything that made a prediction; the parameters are those of the client (`headwater.client.lineage`).

        Raises
        ------
        PredictionNotFound
        InvalidRequest
            No request is called that, or it has fewer instances.
        """
        record = self._record(request, model, day, days)
        if not 0 <= instance < len(record["predictions"]):
            raise InvalidRequest(f"instance {instance}: the request has {len(record['predictions'])}, numbered from 0")
        name, number, notes = record["model"], record["version"], list[str]()
        entry = self._known(notes, lambda: self._registry.version(name, number))
        package = self._known(notes, lambda: self._artifacts.load(entry.package, Package)) if entry else None
        views = _views(package.features if package else ())
        answers = _together(self._questions(record, entry, views))
        materialised = dict(zip(views, answers, strict=False))
        move, update = answers[-2:]
        deployed = self._deployed(update) if update else ()
        notes += _oddities(record, move, update, deployed)
        prediction = record["predictions"][instance]
        values = [_value(view, features, prediction, record, materialised[view]) for view, features in views.items()]
        return Why(
            values=tuple(values),
            commits=tuple(answers[len(views) : -2]),
            move=move,
            update=update,
            deployed=deployed,
            notes=tuple(notes),
            **_of_record(record, instance),
            **_of_version(entry, package),
        )

    def _questions(
        self, record: Mapping[str, Any], entry: ModelVersion | None, views: Mapping[str, Sequence[PackageFeature]]
    ) -> list[Callable[[], Any]]:
        """The reads that don't need each other: of each view, of each commit, then of the alias and the update."""
        received = datetime.fromisoformat(record["received_at"])
        return [
            *(lambda view=view: self._materialised(view, record, views[view]) for view in views),
            *(
                lambda source=source, commit=commit: self._commit(source, commit)
                for source, commit in (entry.candidate.commits if entry else {}).items()
            ),
            lambda: self._move(record["model"], record["alias"], received),
            lambda: self._moments.update(received),
        ]

    def _record(self, request: str, model: str | None, day: date | datetime | None, days: int) -> dict[str, Any]:
        if request.startswith("prediction:"):
            model, day, request = place_of(Node.parse(request))
        if not _ID.fullmatch(request):
            raise InvalidRequest(f"{request[:80]!r} is no request's id: expected the request_id of an answer")
        models = [model] if model else self._predictions.models()
        if is_moment := isinstance(day, datetime):
            # Records lie under their hour in UTC.
            day = day.astimezone(UTC) if day.tzinfo else day
        wanted = [day] if day else [self._now().date() - timedelta(days=back) for back in range(days)]
        for name in models:
            # Where one read finds it, nothing is gained by asking for its day before.
            for found in wanted if day and (model or is_moment) else self._predictions.days_of(name, wanted, request):
                if (record := self._predictions.record(name, found, request)) is not None:
                    return record
        looked = f"on {day}" if day else f"in the last {days} days"
        raise PredictionNotFound(
            f"no record of request {request} of {model or 'any model'} {looked}: its id or day is another one, or its "
            "record was lost (it is written after the answer went out)",
            next_steps=[f"headwater lineage why {request} --day YYYY-MM-DD", "headwater logs serving-predict"],
        )

    def _known(self, notes: list[str], read: Callable[[], T]) -> T | None:
        try:
            return read()
        except HeadwaterError as error:
            notes.append(str(error))
            return None

    def _materialised(
        self, view: str, record: Mapping[str, Any], features: Sequence[PackageFeature]
    ) -> Materialisation | None:
        """The newest materialisation that the look-up could see."""
        version = features[0].version
        if version is None or record["features_from"] != "online":
            return None
        received = datetime.fromisoformat(record["received_at"])
        done = Materialisations(self._table).of(view, version)
        return max((each for each in done if each.at <= received), key=lambda each: each.revision, default=None)

    def _commit(self, source: str, commit: str) -> CommitOrigin:
        name = dataset_of(source)
        try:
            found = self._versions.commit(commit)
        except Corrupt:
            return CommitOrigin(source=source, dataset=name, commit=commit, message="gc has taken it")
        return CommitOrigin(
            source=source,
            dataset=name,
            commit=commit,
            at=found.time,
            by=found.author,
            message=found.message,
            upload=found.meta.get("upload", ""),
        )

    def _deployed(self, update: Update) -> tuple[str, ...]:
        """The code that an update left in the stack, by the index."""
        node = Node("infra", str(update.of), update.id)
        found = [edge.above.id for edge in merged(self._index.edges(node, "UP"))]
        return tuple(dict.fromkeys(found))

    def _move(self, model: str, alias: str, received: datetime) -> AliasMove | None:
        moves = [move for move in self._registry.log(model, alias) if move.at <= received]
        turns = [move for move in moves if move.before != move.to]
        return turns[-1] if turns else None


def _views(features: Sequence[PackageFeature]) -> dict[str, list[PackageFeature]]:
    views: dict[str, list[PackageFeature]] = {}
    for feature in features:
        views.setdefault(feature.view, []).append(feature)
    return views


def _value(
    view: str,
    features: Sequence[PackageFeature],
    prediction: Mapping[str, Any],
    record: Mapping[str, Any],
    materialised: Materialisation | None,
) -> ValueOrigin:
    seen = prediction["views"].get(view)
    age = seen["age_seconds"] if seen else None
    as_of = datetime.fromisoformat(record["as_of"])
    return ValueOrigin(
        view=view,
        definition=features[0].version,
        entity={key: prediction["inputs"].get(key) for key in features[0].entity},
        status=seen["status"] if seen else "GIVEN",
        event_time=as_of - timedelta(seconds=age) if age is not None else None,
        values={feature.feature: prediction["features"].get(feature.name) for feature in features},
        materialised_at=materialised.at if materialised else None,
        commits=dict(materialised.commits) if materialised else {},
    )


def _of_record(record: Mapping[str, Any], instance: int) -> dict[str, Any]:
    received, prediction = datetime.fromisoformat(record["received_at"]), record["predictions"][instance]
    return {
        "request_id": record["request_id"],
        "node": prediction_node(record["model"], received.date(), record["request_id"]).id,
        **{name: record[name] for name in ("model", "version", "alias", "run_id")},
        "received_at": received,
        "as_of": datetime.fromisoformat(record["as_of"]),
        "instances": len(record["predictions"]),
        "instance": instance,
        "inputs": prediction["inputs"],
        "answer": {key: value for key, value in prediction.items() if key in {"probability", "value"}},
    }


def _of_version(entry: ModelVersion | None, package: Package | None) -> dict[str, Any]:
    if entry is None:
        return {}
    candidate = entry.candidate
    lock = candidate.files.get(LOCK_FILE)
    return {
        "started_by": str(candidate.started_by or ""),
        "trained_at": candidate.created_at,
        "graph_sha256": package.sha256 if package else "",
        "training_set": candidate.training_set.sha256 if candidate.training_set else "",
        "parameters": dict(candidate.parameters),
        "metrics": dict(candidate.metrics),
        "code_version": candidate.code_version,
        "lock": f"s3://{lock.bucket}/{lock.key}?versionId={lock.version_id}" if lock else "",
    }


def _oddities(
    record: Mapping[str, Any], move: AliasMove | None, update: Update | None, deployed: Sequence[str]
) -> Iterator[str]:
    if move is None:
        yield f"the log of alias {record['alias']!r} knows no move by then"
    elif move.to != record["version"]:
        yield (
            f"by the log {record['alias']} pointed at version {move.to} since {move.at.isoformat()}; the function "
            "believes an alias for some seconds, and longer while the registry doesn't answer"
        )
    if update is None:
        yield "the infrastructure's history knows no update by then; headwater infra sync reads it again"
    elif not deployed:
        yield f"the index tells nothing of update {update.id[:12]} yet: headwater lineage sync brings it up to date"


def _together(questions: Sequence[Callable[[], Any]]) -> list[Any]:
    with ThreadPoolExecutor(len(questions), thread_name_prefix="why") as pool:
        asked = [pool.submit(question) for question in questions]
        return [answer.result() for answer in asked]
