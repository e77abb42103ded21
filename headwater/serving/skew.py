"""Training-serving skew: do logged predictions have the feature values that training would give them?

Each logged look-up is computed again offline, at the request's time, with the definitions that its model version was
trained on and from the data that is there now. Training would see these values. A prediction saw others if a
materialisation came late, if data arrived or was corrected after it, or if the two paths have come apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import pandas
from pydantic import BaseModel, ConfigDict, computed_field

from headwater.features.columns import ASKED
from headwater.features.definitions import Definition, Definitions
from headwater.features.history import historical
from headwater.features.inputs import entity_text
from headwater.features.parity import same
from headwater.features.service import Features
from headwater.lake.service import Lake
from headwater.model import Product, catalog
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore, RegistryStore
from headwater.registry.types import Package, PackageFeature
from headwater.serving.errors import NothingLogged


class Value(BaseModel):
    """A frozen value that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FeatureSkew(Value):
    """How often one feature of logged predictions isn't what training would have seen."""

    feature: str
    """``view.feature``."""
    compared: int
    """Predictions."""
    different: int
    """Both sides have a value and it isn't the same float32."""
    missing_online: int
    """Training would have had a value."""
    missing_offline: int
    """The prediction had a value that training wouldn't have."""
    mean_difference: float | None
    """Online less offline, over all predictions in which both have a value; None if there are none."""

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
    features: tuple[FeatureSkew, ...]
    """The most skewed first."""


@dataclass
class _Answered:
    """What one model version answered."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    """Entity keys and the request's time."""
    online: list[Mapping[str, float | None]] = field(default_factory=list)


class SkewMeasure:
    """Measures skew against the lake's data as they are now.

    Parameters
    ----------
    registry : RegistryStore
        The registry table: model versions and the views' definitions.
    artifacts : ArtifactStore
        Their packages.
    lake_bucket : str
    """

    def __init__(self, registry: RegistryStore, artifacts: ArtifactStore, lake_bucket: str) -> None:
        self._store = registry
        self._registry = Registry(registry)
        self._artifacts = artifacts
        self._definitions = Definitions(registry)
        self._bucket = lake_bucket

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
        answered: dict[int, _Answered] = {}
        packages: dict[int, Package] = {}
        requests = 0
        for record in records:
            if record["features_from"] != "online":
                continue
            requests += 1
            version = int(record["version"])
            if version not in packages:
                packages[version] = self._artifacts.load(self._registry.version(model, version).package, Package)
            _take(answered.setdefault(version, _Answered()), packages[version].features, record)
        pairs: dict[str, list[tuple[float | None, float | None]]] = {}
        for version, group in answered.items():
            for name, offline in self._offline(packages[version].features, group.rows).items():
                seen = [row.get(name) for row in group.online]
                pairs.setdefault(name, []).extend(zip(seen, offline, strict=True))
        if not pairs:
            raise NothingLogged(f"model {model!r}: no prediction of {day} looked a feature up online")
        features = sorted((_skew(name, found) for name, found in pairs.items()), key=lambda skew: -skew.share)
        return Skew(
            model=model,
            day=day,
            versions=tuple(sorted(answered)),
            requests=requests,
            predictions=sum(len(group.rows) for group in answered.values()),
            features=tuple(features),
        )

    def _offline(
        self, features: Sequence[PackageFeature], rows: Sequence[Mapping[str, Any]]
    ) -> dict[str, list[float | None]]:
        """Each feature's values for the rows, as training would join them."""
        versions = {feature.view: feature.version for feature in features}
        if not versions:
            return {}
        definitions = [self._definition(view, version) for view, version in versions.items()]
        sources = {source.name: source for definition in definitions for source in definition.sources}
        declared = catalog(
            [Product(sources=tuple(sources.values()), views=tuple(definition.view for definition in definitions))]
        )
        lake = Lake(declared, bucket=self._bucket, table=self._store.table)
        names = [feature.name for feature in features]
        store, version = Features(declared, lake), lake.pin(tuple(sources))
        with lake.tables(version, store.to_read(declared.views.values(), version)) as connection:
            tables = {name: store.ensure(connection, view, version) for name, view in declared.views.items()}
            connection.register("__logged", pandas.DataFrame(rows))
            found = historical(connection, "__logged", declared.views, tables, names)
            values = found.project(", ".join(f'"{name.replace(".", "__")}"' for name in names)).fetchall()
        return {name: [row[place] for row in values] for place, name in enumerate(names)}

    def _definition(self, view: str, version: str | None) -> Definition:
        if version is None:
            # Packages of before say no version; what is declared now is the best that is known.
            return self._definitions.current(view)
        self._definitions.get(view, version)
        return self._definitions.definition(view, version)


def _take(answered: _Answered, features: Sequence[PackageFeature], record: Mapping[str, Any]) -> None:
    keys = dict.fromkeys(key for feature in features for key in feature.entity)
    moment = datetime.fromisoformat(record["as_of"]).astimezone(UTC).replace(tzinfo=None)
    for prediction in record["predictions"]:
        inputs = prediction["inputs"]
        answered.rows.append({**{key: entity_text(inputs.get(key)) or "" for key in keys}, ASKED: moment})
        answered.online.append(prediction["features"])


def _skew(name: str, pairs: Sequence[tuple[float | None, float | None]]) -> FeatureSkew:
    both = [(online, offline) for online, offline in pairs if online is not None and offline is not None]
    return FeatureSkew(
        feature=name,
        compared=len(pairs),
        different=sum(not same(online, offline) for online, offline in both),
        missing_online=sum(online is None and offline is not None for online, offline in pairs),
        missing_offline=sum(online is not None and offline is None for online, offline in pairs),
        mean_difference=sum(online - offline for online, offline in both) / len(both) if both else None,
    )
