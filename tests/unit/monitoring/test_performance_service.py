"""A version's logged predictions are joined with labels, as known at a moment, and judged beside its baselines."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas
import pytest

from headwater.monitoring.days.counting import columns_of
from headwater.monitoring.errors import NoBank
from headwater.monitoring.log.reading import Reader
from headwater.monitoring.log.store import CompactionStore
from headwater.monitoring.performance.service import Performance
from headwater.monitoring.performance.withdrawal import EstimateStanding
from headwater.registry.store import ArtifactStore
from headwater.registry.types import BANK_FILE, ESTIMATE_FILE
from headwater.serving.store import PredictionStore
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.lake.world import ARTIFACTS, REGISTRY
from tests.unit.lineage.conftest import PREDICTIONS, Lived, lived, record
from tests.unit.training.runs import registry

__all__ = ["lived"]
TODAY = datetime.now(UTC).date()
LATER = datetime.now(UTC) + timedelta(days=3)
REQUESTS, ROWS = 12, 100


class Logged:
    """The predictions of the log by the day that they were asked as of."""

    def __init__(self) -> None:
        self._reader = Reader(CompactionStore(PREDICTIONS, Table(REGISTRY, CLIENTS), CLIENTS))

    def frames(
        self, model: str, version: int, day: date, columns: Sequence[str] | None = None
    ) -> Iterator[pandas.DataFrame]:
        since = datetime(day.year, day.month, day.day, tzinfo=UTC)
        for frame in self._reader.frames(model, since, since + timedelta(days=1), columns):
            yield frame[frame["version"] == version]


class Outcomes:
    """Labels that come three days later, of every prediction or of some."""

    def __init__(self, wrong: float = 0.0, share: float = 1.0) -> None:
        self._wrong, self._share = wrong, share

    def of(self, frame: pandas.DataFrame, known: datetime | None = None) -> pandas.DataFrame:
        chosen = [random.Random(name) for name in frame["prediction_id"]]
        labels = []
        for draw, output in zip(chosen, frame["output"], strict=True):
            chance = 0.5 if draw.random() < self._wrong else output
            labels.append(float(draw.random() < chance) if draw.random() < self._share else np.nan)
        late = known is not None and known < LATER
        return frame.assign(label=[np.nan] * len(frame) if late else labels)


@pytest.fixture(scope="module")
def version(lived: Lived) -> int:
    """A version with a log of its own."""
    trained = registry().version("buys", 1).candidate
    number = registry().register(trained.model_copy(update={"run_id": "logged"})).version
    chosen = random.Random(4)
    moment = "2024-01-02T10:00:00+00:00"
    for request in range(REQUESTS):
        rows = []
        for _ in range(ROWS):
            visits, bought = float(chosen.randrange(1, 40)), float(chosen.random() < 0.5)
            rows.append({
                "inputs": {"shop": chosen.choice("ns"), "amount": chosen.uniform(1, 9), "seen_at": moment},
                "features": {"habits.last_bought": bought, "habits.visits": visits}, "missing_features": [],
                "probability": 0.9 if bought else 0.1, "feature_age_seconds": 60.0,
            })  # fmt: skip
        made = record(f"{request:08}-0000-4000-8000-000000000000", number)
        object.__setattr__(made, "predictions", rows)
        PredictionStore(PREDICTIONS, CLIENTS).write(made)
    return number


def performance(labels: Any) -> Performance:
    return Performance(registry(), ArtifactStore(ARTIFACTS, CLIENTS), Logged(), labels, columns_of)


def report(version: int, labels: Any, **more: Any) -> Any:
    return performance(labels).report("buys", version, TODAY, TODAY, **{"metric": "roc_auc", **more})


def test_a_version_is_judged_by_labels_and_estimated_without(version: int) -> None:
    found = report(version, Outcomes())
    assert (found.bias.predictions, found.bias.coverage) == (REQUESTS * ROWS, 1.0)
    assert found.realised.metric == "roc_auc"
    assert found.realised.value == pytest.approx(0.9, abs=0.03)
    assert not found.is_worse
    assert found.estimate is not None
    assert (found.estimate.rows, found.reason) == (REQUESTS * ROWS, "")


def test_before_labels_came_the_day_is_as_it_was_known_then(version: int) -> None:
    found = report(version, Outcomes(), known=LATER - timedelta(hours=1))
    assert (found.bias.labelled, found.realised) == (0, None)
    assert found.bias.raw["roc_auc"].reason == "no label"
    assert found.estimate is not None
    assert report(version, Outcomes(), known=LATER).realised == report(version, Outcomes()).realised


def test_a_model_whose_outcomes_changed_is_worse_and_its_estimate_is_not(version: int) -> None:
    found = report(version, Outcomes(wrong=0.9))
    assert (found.realised.is_worse, found.is_worse, found.estimate.is_worse) == (True, True, False)
    assert not report(version, Outcomes(wrong=0.9), tolerance=0.5).is_worse


def test_an_estimate_that_was_withdrawn_is_hidden_with_the_reason(version: int) -> None:
    found = report(version, Outcomes(), standing=EstimateStanding(withdrawn_on=date(2026, 7, 3)))
    assert (found.estimate, found.estimated) == (None, {})
    assert found.reason == "withdrawn on 2026-07-03: 3 estimates in a row were wrong, the concept moved"


def test_a_version_of_before_has_its_baseline_from_its_metrics(lived: Lived) -> None:
    candidate = registry().version("buys", 1).candidate
    files = {name: at for name, at in candidate.files.items() if name != ESTIMATE_FILE}
    old = registry().register(candidate.model_copy(update={"run_id": "old", "files": files})).version
    made = record("99999999-0000-4000-8000-000000000000", old)
    object.__setattr__(made, "predictions", made.predictions * 60)
    PredictionStore(PREDICTIONS, CLIENTS).write(made)
    found = performance(Outcomes()).report("buys", old, TODAY, TODAY, metric="brier")
    assert found.realised is not None
    assert found.realised.baseline == candidate.metrics["brier"]
    assert (found.estimate, found.reason) == (None, "the version was trained before estimators were kept")


def test_a_day_without_predictions_is_no_alarm(version: int) -> None:
    day = TODAY - timedelta(days=400)
    found = performance(Outcomes()).report("buys", version, day, day, metric="roc_auc")
    assert (found.bias.predictions, found.realised, found.estimate, found.is_worse) == (0, None, None, False)


def test_a_version_without_score_bins_says_what_to_do(lived: Lived) -> None:
    candidate = registry().version("buys", 1).candidate
    files = {name: at for name, at in candidate.files.items() if name != BANK_FILE}
    bare = registry().register(candidate.model_copy(update={"run_id": "bare", "files": files})).version
    with pytest.raises(NoBank, match="has no score bins"):
        performance(Outcomes()).report("buys", bare, TODAY, TODAY, metric="roc_auc")


class Late(Outcomes):
    """In one shop everything went otherwise."""

    def of(self, frame: pandas.DataFrame, known: datetime | None = None) -> pandas.DataFrame:
        found = super().of(frame, known)
        odd = found["inputs"].str.contains('"shop": "s"', regex=False) | found["inputs"].str.contains('"shop":"s"')
        return found.assign(label=found["label"].where(~odd, 1 - found["label"]))


def test_the_slice_that_lost_most_is_named_and_compared_with_a_version(version: int) -> None:
    found = performance(Late()).errors("buys", version, TODAY, TODAY)
    assert found.slices[0].conditions == ("shop=s",)
    assert found.rows == REQUESTS * ROWS
    beside = performance(Late()).errors("buys", version, TODAY, TODAY, beside=version)
    assert (beside.slices[0].is_new, beside.slices[0].change) == (False, pytest.approx(0))
    early = performance(Late()).errors("buys", version, TODAY, TODAY, known=LATER - timedelta(days=1))
    assert early.reason == "0 rows, fewer than 100"
