"""Reads all that a decision depends on, as it is now: the data, the champion, and what the monitor says of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from headwater.declare import Catalog, Model, Product
from headwater.lake.errors import NoData, OlderDefinition
from headwater.lake.types import DataVersion
from headwater.monitoring.drift.channels import BROKEN
from headwater.monitoring.drift.standing import State
from headwater.monitoring.drift.verdicts import Finding
from headwater.monitoring.status import Status, deciding
from headwater.monitoring.watch.records import WatchRecords
from headwater.monitoring.watch.words import of_findings
from headwater.registry.errors import ArtifactInvalid, ArtifactNotFound
from headwater.registry.service import PRODUCTION, Registry
from headwater.registry.store import ArtifactStore
from headwater.registry.types import DEFINITION_FILE, ModelVersion
from headwater.retraining.store import RetrainStore
from headwater.retraining.types import Standing
from headwater.training.prepare import definition_of

_NOT_LEARNT = {"description", "owner", "retrain", "retraining", "promotion", "monitoring", "gates"}
"""Fields of a model that change nothing of what it learns."""


class Pins(Protocol):
    """Pins data; `headwater.lake.service.Lake` does."""

    def pin(self, sources: Any, views: Any = ()) -> DataVersion: ...


@dataclass(frozen=True)
class StandingReader:
    """Reads how a model stands."""

    catalog: Catalog
    """The deployed products."""
    lake: Pins
    registry: Registry
    artifacts: ArtifactStore
    watch: WatchRecords
    store: RetrainStore

    def __call__(self, model: Model) -> Standing:
        """How a model stands now."""
        definition = definition_of(self.catalog, model)
        number = self.registry.current(model.name, PRODUCTION)
        champion = None if number is None else self.registry.version(model.name, number)
        found: dict[str, Any] = {"champion": number}
        if champion is not None:
            found |= {"champion_run": champion.run_id, "champion_data": self._learnt(champion, definition)}
            found |= self._monitored(model, champion.version)
        try:
            data = self.lake.pin([source.name for source in definition.sources], model.views)
        except (NoData, OlderDefinition) as error:
            return Standing(**found, no_data=error.message)
        key = key_of(data.id, definition, number)
        held = self.store.holder(model.name, key)
        if held is not None:
            found |= {"key_run": held.run_id, "key_failed": held.failed}
        return Standing(**found, data_version=data.id, pinned=data.model_dump_json(), key=key)

    def _learnt(self, champion: ModelVersion, definition: Product) -> str | None:
        """The data that the champion learnt from; None if it learnt by another definition."""
        with suppress(KeyError, ArtifactNotFound, ArtifactInvalid):
            its = self.artifacts.load(champion.candidate.files[DEFINITION_FILE], Product)
            if learnt_by(its) == learnt_by(definition):
                return champion.candidate.data_version
        return None

    def _monitored(self, model: Model, version: int) -> dict[str, Any]:
        status = self.watch.status(model.name)
        if status is None or status.version != version:
            return {}
        policy, figure = model.retraining, deciding(status.realised, status.estimated)
        found: dict[str, Any] = {"quality": self._quality(status, policy.clean_days)}
        # An alarm of days that are unusual together names nothing.
        only_broken = bool(status.findings) and all(map(_is_broken, status.findings))
        if status.state is State.ALARM and not only_broken:
            found["drifted"] = status.reason
        if figure is not None and figure.is_worse:
            found["worse"] = status.reason
            windows = self.watch.performances(model.name, version)[-policy.windows :]
            figures = [deciding(one.realised, one.estimated) for one in windows]
            found["worse_windows"] = sum(one is not None and one.is_worse for one in figures)
        if status.realised is not None:
            labelled, until = status.realised.rows, status.realised.until
            found |= {"labelled": labelled, "coverage": status.realised.coverage, "labels_until": until}
        return found

    def _quality(self, status: Status, days: int) -> str:
        """Broken values of the running day or of the last judged days, in words; empty if there are none."""
        if broken := tuple(filter(_is_broken, status.findings)):
            return _dated(status.day, broken)
        judged = self.watch.judged(status.model, status.version)
        for one in reversed(judged[-days:] if days else []):
            if broken := tuple(filter(_is_broken, one.counts.verdict.findings)):
                return _dated(one.day, broken)
        return ""


def _is_broken(finding: Finding) -> bool:
    return finding.channel in BROKEN


def _dated(day: date | None, findings: tuple[Finding, ...]) -> str:
    return f"{of_findings(findings)}{f' on {day}' if day else ''}"


def learnt_by(definition: Product) -> str:
    """Hash of all that decides what a model learns: declarations that only say how it is run are left out."""
    document = definition.model_dump(mode="json")
    for model in document["models"]:
        for name in _NOT_LEARNT:
            model.pop(name, None)
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def key_of(data_version: str, definition: Product, champion: int | None) -> str:
    """Names a training by what would come out of it: the data's commits, the definition, and whom it is judged by."""
    told = json.dumps([data_version, learnt_by(definition), champion])
    return hashlib.sha256(told.encode()).hexdigest()[:32]


Read = Callable[[Model], Standing]
