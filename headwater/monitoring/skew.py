"""Training-serving skew: do logged predictions have the feature values that training would give them?

Each logged look-up is computed again offline, at the request's time, with the definitions that its model version was
trained on: once from the data that were committed when the request came, once from the data that are there now. A
value that either of them gives is right: it was all that could be known, or (streamed before its data landed) is what
training sees. One that neither gives tells of a late materialisation or of paths that have come apart. What only the
data of now contradict came or was corrected later, although it says that it was available before; it is counted apart.
Whether the values look as they did in training is another question (`headwater.monitoring.drift`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import pandas
from pydantic import computed_field

from headwater.declare import Product, catalog
from headwater.errors import InvalidRequest, NotFound, Refused
from headwater.features.definitions import Definition, Definitions
from headwater.features.errors import NeedsSpark
from headwater.features.inputs import entity_text
from headwater.features.offline.columns import ASKED
from headwater.features.offline.point_in_time import historical
from headwater.features.online.encoding import Known, same
from headwater.features.online.reading import ValueStatus
from headwater.features.service import Features
from headwater.lake.errors import NoData
from headwater.lake.service import Lake
from headwater.lake.types import DataVersion, PinnedCommit, dataset_of, streamed_of
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore
from headwater.registry.types import Package
from headwater.serving.errors import NothingLogged
from headwater.serving.store import PredictionStore
from headwater.storage.clients import Clients
from headwater.storage.table import Table
from headwater.values import Value
from headwater.versions.refs import Refs
from headwater.versions.types import MAIN

LEAST = 50
"""Compared predictions of a feature below which its share raises no alarm."""
MOST_DATA_VERSIONS = 12
"""Data versions of a day that a model version is joined with; of more, so many are taken, spread over the day."""


class FeatureSkew(Value):
    """How often one feature of logged predictions isn't what training would have seen."""

    feature: str
    """``view.feature``."""
    compared: int
    """Predictions."""
    different: int
    """Both sides have a value and it isn't the same float32, or the same text."""
    missing_online: int
    """The data that were committed by then give a value."""
    missing_offline: int
    """The prediction had a value that those data don't give. In none of the three is it what the data of now give."""
    mean_difference: float | None
    """Online less offline, over all predictions in which both have a value; None if there are none, or of text."""
    different_by_now: int
    """Predictions whose value isn't what the data of now give: skew, late data and corrections together."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def share(self) -> float:
        """Share of the predictions whose value differs in any of the three ways."""
        return (self.different + self.missing_online + self.missing_offline) / self.compared


class Skew(Value):
    """A day's predictions of a model beside what training would have seen."""

    model: str
    day: date
    versions: tuple[int, ...]
    """The model's versions that answered."""
    requests: int
    predictions: int
    """Whose features were looked up online; those that came with the request aren't compared."""
    data_versions: int
    """Data versions that were committed when the requests came."""
    features: tuple[FeatureSkew, ...]
    """The most skewed first."""

    @property
    def telling(self) -> tuple[FeatureSkew, ...]:
        """The features that enough predictions looked up to raise an alarm; the most skewed first."""
        return tuple(entry for entry in self.features if entry.compared >= LEAST)


@dataclass
class _Pairs:
    """One feature's values, a place for each prediction."""

    online: list[Known] = field(default_factory=list)
    offline: list[Known] = field(default_factory=list)
    by_now: list[Known] = field(default_factory=list)


class SkewMeasure:
    """Measures skew with the lake's data.

    Parameters
    ----------
    registry : Table
        The registry table: model versions and the views' definitions.
    artifacts : ArtifactStore
        Their packages.
    lake_bucket : str
    clients : Clients
    """

    def __init__(self, registry: Table, artifacts: ArtifactStore, lake_bucket: str, clients: Clients) -> None:
        self._store = registry
        self._registry = Registry(registry)
        self._artifacts = artifacts
        self._definitions = Definitions(registry)
        self._bucket, self._clients = lake_bucket, clients

    def measure_all(self, log: PredictionStore, day: date, *, limit: int) -> tuple[list[Skew], dict[str, str]]:
        """Measure every model that was asked on ``day``.

        Parameters
        ----------
        log : PredictionStore
        day : date
            UTC. Without predictions it costs a list request a model.
        limit : int
            At most that many requests of a model, spread over the day.

        Returns
        -------
        (list of Skew, dict)
            Of the models that looked features up; and by model why one of the others couldn't be measured.
        """
        found, failed = [], {}
        for model in log.models():
            if records := log.records(model, day, limit=limit):
                try:
                    found.append(self.measure(model, day, records))
                except NothingLogged:
                    continue
                except (NotFound, Refused, InvalidRequest) as error:
                    # The models beside it can be measured all the same.
                    failed[model] = error.message
        return found, failed

    def measure(self, model: str, day: date, records: Iterable[Mapping[str, Any]]) -> Skew:
        """Compare the look-ups in ``records`` with the point-in-time join.

        Parameters
        ----------
        model : str
        day : date
        records : iterable of mapping
            As the prediction log holds them (`headwater.serving.types.PredictionRecord.document`).

        Raises
        ------
        NothingLogged
            No prediction in ``records`` looked a feature up.
        DefinitionChanged
            A view can't be computed as it was when the model was trained.
        """
        by_version: dict[int, list[Mapping[str, Any]]] = {}
        for record in records:
            if record["features_from"] == "online":
                by_version.setdefault(int(record["version"]), []).append(record)
        pairs: dict[str, _Pairs] = {}
        compared: list[Mapping[str, Any]] = []
        data_versions: set[str] = set()
        for number, answered in by_version.items():
            package = self._artifacts.load(self._registry.version(model, number).package, Package)
            if package.features:
                joined = _Joined(self._store, self._bucket, package, [
                    self._definition(feature.view, feature.version) for feature in package.features
                ], self._clients)  # fmt: skip
                compared += joined.compare(answered, pairs)
                data_versions |= joined.data_versions
        features = [_skew(name, found) for name, found in pairs.items() if found.online]
        if not features:
            raise NothingLogged(f"model {model!r}: no prediction of {day} looked a feature up online")
        return Skew(
            model=model,
            day=day,
            versions=tuple(sorted(by_version)),
            requests=len(compared),
            predictions=sum(len(record["predictions"]) for record in compared),
            data_versions=len(data_versions),
            features=tuple(sorted(features, key=lambda skew: (-skew.share, -skew.different_by_now))),
        )

    def _definition(self, view: str, version: str | None) -> Definition:
        if version is None:
            # Packages of before say no version; what is declared now is the best that is known.
            return self._definitions.current(view)
        self._definitions.get(view, version)
        return self._definitions.definition(view, version)


class _Joined:
    """One model version's predictions beside the point-in-time join."""

    def __init__(
        self, registry: Table, bucket: str, package: Package, definitions: Sequence[Definition], clients: Clients
    ) -> None:
        sources = {source.name: source for definition in definitions for source in definition.sources}
        views = {definition.view.name: definition.view for definition in definitions}
        self._package = package
        self._declared = catalog([Product(sources=tuple(sources.values()), views=tuple(views.values()))])
        # The sources are as the model's version declared them, which needn't be what is declared now.
        self._lake = Lake(self._declared, clients, bucket=bucket, table=registry, deployed=False)
        self._sources = tuple(sources)
        self._views = tuple(views)
        self._moves = {
            name: [(move.at, move.to) for move in Refs(registry, dataset_of(name)).log("branch", MAIN) if move.to]
            for name in (*sources, *map(streamed_of, views))
        }
        self.data_versions: set[str] = set()

    def compare(self, records: Sequence[Mapping[str, Any]], pairs: dict[str, _Pairs]) -> list[Mapping[str, Any]]:
        """Add each prediction's values to ``pairs``; the records that were compared."""
        known: dict[str, tuple[DataVersion, list[Mapping[str, Any]]]] = {}
        for record in records:
            version = self._committed(datetime.fromisoformat(record["received_at"]))
            known.setdefault(version.id, (version, []))[1].append(record)
        # In the day's order, which is that of the records.
        groups, step = list(known.values()), max(1.0, len(known) / MOST_DATA_VERSIONS)
        groups = [groups[int(place * step)] for place in range(min(len(groups), MOST_DATA_VERSIONS))]
        offline: dict[str, list[Known]] = {}
        compared: list[Mapping[str, Any]] = []
        for version, group in groups:
            # What Spark never computed, since newer data had come by the time it could, can't be compared.
            with suppress(NeedsSpark):
                for name, values in self._offline(version, group).items():
                    offline.setdefault(name, []).extend(values)
                compared += group
                self.data_versions.add(version.id)
        if not compared:
            return []
        by_now, now = offline, self._lake.pin(self._sources, self._views)
        if self.data_versions != {now.id}:
            # What Spark hasn't computed yet tells nothing of late data either.
            with suppress(NeedsSpark):
                by_now = self._offline(now, compared)
        judged = [seen for record in compared for seen in _judged(record)]
        for feature in self._package.features:
            found = pairs.setdefault(feature.name, _Pairs())
            for place, (seen, unanswerable) in enumerate(judged):
                if feature.view not in unanswerable:
                    found.online.append(seen.get(feature.name))
                    found.offline.append(offline[feature.name][place])
                    found.by_now.append(by_now[feature.name][place])
        return compared

    def _committed(self, moment: datetime) -> DataVersion:
        """The data that counted at ``moment``; the first there were if that was before them."""
        commits = {}
        for source, moves in self._moves.items():
            place = bisect_right(moves, moment, key=lambda move: move[0])
            if source in self._sources:
                if not moves:
                    raise NoData(f"no data for source {source!r}: nothing was uploaded yet, or it was refused")
                place = max(1, place)
            # What wasn't streamed by then isn't part of the data.
            if place:
                commits[source] = PinnedCommit(commit=moves[place - 1][1], revision=1)
        return DataVersion(commits=commits)

    def _offline(self, version: DataVersion, records: Sequence[Mapping[str, Any]]) -> dict[str, list[Known]]:
        """Each feature's values for the records' predictions, as training would join them."""
        rows = [row for record in records for row in _rows(self._package, record)]
        views, names = self._declared.views, [feature.name for feature in self._package.features]
        store = Features(self._declared, self._lake)
        with self._lake.tables(version, store.to_read(views.values(), version)) as connection:
            tables = {name: store.ensure(connection, view, version) for name, view in views.items()}
            connection.register("__logged", pandas.DataFrame(rows))
            found = historical(connection, "__logged", views, tables, names)
            values = found.project(", ".join(f'"{name.replace(".", "__")}"' for name in names)).fetchall()
        return {name: [row[place] for row in values] for place, name in enumerate(names)}


def _rows(package: Package, record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Entity keys and the request's time of each of its predictions."""
    keys = dict.fromkeys(key for feature in package.features for key in feature.entity)
    moment = datetime.fromisoformat(record["as_of"]).astimezone(UTC).replace(tzinfo=None)
    for prediction in record["predictions"]:
        inputs = prediction["inputs"]
        yield {**{key: entity_text(inputs.get(key)) or "" for key in keys}, ASKED: moment}


def _judged(record: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Known], frozenset[str]]]:
    """The values that each prediction saw, and the views that couldn't answer it.

    A request about a moment that was past when it came is answered from values that were known then only as long as no
    newer ones are online: that is what an online store is, and no skew.
    """
    replayed = datetime.fromisoformat(record["as_of"]) < datetime.fromisoformat(record["received_at"])
    for prediction in record["predictions"]:
        views = prediction.get("views", {}) if replayed else {}
        unanswerable = {view for view, seen in views.items() if seen["status"] == ValueStatus.FUTURE}
        yield prediction["features"], frozenset(unanswerable)


def _skew(name: str, found: _Pairs) -> FeatureSkew:
    pairs = list(zip(found.online, found.offline, strict=True))
    both = [(online, offline) for online, offline in pairs if online is not None and offline is not None]
    differences = [
        online - offline for online, offline in both if not isinstance(online, str) and not isinstance(offline, str)
    ]
    by_now = [not same(*seen) for seen in zip(found.online, found.by_now, strict=True)]
    wrong = [pair for pair, contradicted in zip(pairs, by_now, strict=True) if contradicted and not same(*pair)]
    lacked, extra = sum(online is None for online, _ in wrong), sum(offline is None for _, offline in wrong)
    return FeatureSkew(
        feature=name,
        compared=len(pairs),
        different=len(wrong) - lacked - extra,
        missing_online=lacked,
        missing_offline=extra,
        mean_difference=sum(differences) / len(differences) if differences else None,
        different_by_now=sum(by_now),
    )
