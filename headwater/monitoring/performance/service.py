"""How good a version was on some days, as known at a moment: logged predictions, joined with what became of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import reduce
from typing import Any, Protocol

import numpy as np
import pandas
from pydantic import AwareDatetime

from headwater.declare import Metric
from headwater.monitoring.drift.bank import Bank
from headwater.monitoring.errors import NoBank
from headwater.monitoring.performance import estimated
from headwater.monitoring.performance.bias import Bias, bias
from headwater.monitoring.performance.counts import ClassCounts, Counts, ErrorCounts, count, merge
from headwater.monitoring.performance.estimated import LossCounts
from headwater.monitoring.performance.estimator import Estimator, baseline_of
from headwater.monitoring.performance.limits import judged
from headwater.monitoring.performance.metrics import loss_of_rows
from headwater.monitoring.performance.realised import of_counts
from headwater.monitoring.performance.types import Figures
from headwater.monitoring.performance.withdrawal import EstimateStanding, ScoredEstimate, scored, spread_of
from headwater.monitoring.profiles.counting import count_numbers
from headwater.monitoring.profiles.types import NumberCounts, Scheme
from headwater.monitoring.slices.search import worst_slices
from headwater.monitoring.slices.types import ErrorAnalysis
from headwater.monitoring.status import PerformanceFigure
from headwater.registry.errors import ArtifactInvalid, ArtifactNotFound
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore
from headwater.registry.types import BANK_FILE, ESTIMATE_FILE, PROFILE_FILE, ModelVersion, Package, Profile
from headwater.values import Value

WANTED = ("prediction_id", "version", "received_at", "as_of", "output", "inputs", "features")
"""Columns of logged predictions that performance and labels need."""
MOST_ROWS = 200_000
"""Labelled rows that slices are searched in; of more, every second, fourth, ... one is taken."""


class Predictions(Protocol):
    """Logged predictions by day."""

    def frames(
        self, model: str, version: int, day: date, columns: Sequence[str] | None = None
    ) -> Iterator[pandas.DataFrame]:
        """The predictions of a version that were asked as of a day, each once."""
        ...


class Labels(Protocol):
    """Outcomes of a model's predictions."""

    def of(self, frame: pandas.DataFrame, known: datetime | None = None) -> pandas.DataFrame:
        """The same rows with the column ``label`` (NaN without one), as known at a moment."""
        ...


Columns = Callable[[Package, pandas.DataFrame], Mapping[str, Any]]
"""Gives the model's columns of logged predictions, as the graph saw them."""


class DayCounts(Value):
    """Counts of a day, from which its performance follows, and which add up to those of a week."""

    classes: ClassCounts | None = None
    """Labelled predictions of a classifier."""
    errors: ErrorCounts | None = None
    """Labelled predictions of a regression; either this or ``classes`` is there."""
    scores: NumberCounts
    """Outputs of all predictions."""
    losses: LossCounts | None = None
    """Expected losses of a regression's predictions; None without an estimator of them."""
    labelled_losses: LossCounts | None = None
    """Expected losses of the labelled predictions alone, which an estimate is scored by."""

    @property
    def labelled(self) -> Counts:
        """Counts of the labelled predictions."""
        found = self.classes if self.classes is not None else self.errors
        assert found is not None  # noqa: S101 - `Performance.count` fills one of them
        return found

    @property
    def coverage(self) -> float:
        """Share of the predictions that are labelled; 0 without predictions."""
        return self.labelled.rows / self.scores.known if self.scores.known else 0.0


class PerformanceReport(Value):
    """A version's performance on a stretch of days, as known at a moment."""

    model: str
    version: int
    since: date
    until: date
    """First and last day, both in it."""
    known: AwareDatetime | None
    """None: as known when it was asked."""
    bias: Bias
    """Figures of what is labelled, and as if all were."""
    estimated: Figures
    """Figures without labels; empty if there is no estimator."""
    realised: PerformanceFigure | None
    """The watched metric beside its limit; None if it can't be told or has no baseline."""
    estimate: PerformanceFigure | None
    """The same, estimated; None too once estimates were withdrawn."""
    reason: str = ""
    """Why there is no estimate; empty if there is one."""

    @property
    def is_worse(self) -> bool:
        """True if the realised figure is worse than its limit; without one, if the estimate is."""
        found = self.realised or self.estimate
        return found is not None and found.is_worse


class Performance:
    """Judges what was logged by what became of it.

    Parameters
    ----------
    registry : Registry
    artifacts : ArtifactStore
    predictions : Predictions
    labels : Labels
        Of the model that is asked about.
    columns : callable
        Gives the model's columns of logged predictions.
    """

    def __init__(
        self, registry: Registry, artifacts: ArtifactStore, predictions: Predictions, labels: Labels, columns: Columns
    ) -> None:
        self._registry, self._artifacts = registry, artifacts
        self._predictions, self._labels, self._columns = predictions, labels, columns
        self._known: dict[tuple[str, int], tuple[ModelVersion, Package, Scheme]] = {}
        self._estimators: dict[tuple[str, int], Estimator | None] = {}

    def report(
        self,
        model: str,
        version: int,
        since: date,
        until: date,
        *,
        metric: Metric,
        tolerance: float = 0.0,
        known: datetime | None = None,
        standing: EstimateStanding | None = None,
    ) -> PerformanceReport:
        """How good a version was from ``since`` to ``until``, both included.

        Parameters
        ----------
        metric : Metric
            The figure that is judged (`headwater.declare.Model.watched_metric`).
        tolerance : float
            How much worse than its baseline it may be.
        known : datetime, optional
            As known then; by default now.
        standing : EstimateStanding, optional
            Of the version: whether its estimates are believed.

        Raises
        ------
        ModelNotRegistered, VersionNotFound
        NoBank
            The version was trained before training kept its score bins, or they are gone.
        """
        counted = {day: self.counted(model, version, day, known) for day in _days(since, until)}
        return self.judge(model, version, counted, metric=metric, tolerance=tolerance, known=known, standing=standing)

    def judge(
        self,
        model: str,
        version: int,
        counted: Mapping[date, DayCounts],
        *,
        metric: Metric,
        tolerance: float = 0.0,
        known: datetime | None = None,
        standing: EstimateStanding | None = None,
        among: int = 1,
    ) -> PerformanceReport:
        """Judge the counts of some days, at least one; the parameters and errors are those of `report`.

        ``among`` is how many such figures are looked at beside each other, as of segments.
        """
        entry, package, scheme = self._version(model, version)
        estimator = self._estimator(entry)
        since, until = min(counted), max(counted)
        labelled = merge(package.task, scheme, (day.labelled for day in counted.values()))
        scores = reduce(NumberCounts.__add__, (day.scores for day in counted.values()))
        losses = reduce(
            LossCounts.__add__, (day.losses for day in counted.values() if day.losses is not None), LossCounts()
        )
        # Days without predictions say nothing of how days differ.
        days = max(1, sum(day.scores.known > 0 for day in counted.values()))
        found, reason = _estimated(estimator, scores, losses)
        if standing is not None and standing.withdrawn_on is not None:
            found, reason = {}, standing.reason
        compared = bias(scheme, [(labelled, scores)])
        base = baseline_of(entry, estimator, metric)
        figure = judged(
            compared.raw[metric],
            base,
            tolerance,
            since=since,
            until=until,
            days=days,
            coverage=compared.coverage,
            adjusted=compared.adjusted[metric] if compared.is_biased else None,
            among=among,
        )
        expected = baseline_of(entry, estimator, metric, estimated=True)
        guess = None
        if metric in found:
            guess = judged(found[metric], expected, tolerance, since=since, until=until, days=days, among=among)
        return PerformanceReport(
            model=model,
            version=version,
            since=since,
            until=until,
            known=known,
            bias=compared,
            estimated=found,
            realised=figure,
            estimate=guess,
            reason=reason,
        )

    def task(self, model: str, version: int) -> str:
        """``classification`` or ``regression``."""
        return self._version(model, version)[1].task

    def score(self, model: str, version: int, day: date, counted: DayCounts, metric: Metric) -> ScoredEstimate | None:
        """Score a day's estimate by its labels, both of the labelled predictions; None if either can't be told.

        How far the two are apart on held-out rows is known with an error too, and outcomes of a day differ from what
        scores promise by more than chance: both widen what is no miss.
        """
        entry, _, _ = self._version(model, version)
        estimator = self._estimator(entry)
        rows = counted.labelled
        found, _ = _estimated(estimator, rows.scores, counted.labelled_losses or LossCounts())
        base, expected = (baseline_of(entry, estimator, metric, estimated=side) for side in (False, True))
        if metric not in found or base is None or expected is None:
            return None
        return scored(
            found[metric], of_counts(rows)[metric], since=day, until=day,
            offset=expected.value - base.value, spread=spread_of(base),
        )  # fmt: skip

    def errors(
        self,
        model: str,
        version: int,
        since: date,
        until: date,
        *,
        known: datetime | None = None,
        beside: int | None = None,
    ) -> ErrorAnalysis:
        """The slices of labelled predictions that lose most, beside those of another version of the same days.

        Raises
        ------
        ModelNotRegistered, VersionNotFound
        """
        entry, package, _ = self._version(model, version)
        columns, loss = self._losses(package, version, since, until, known)
        reference = None
        if beside is not None:
            other = self._artifacts.load(self._registry.version(model, beside).package, Package)
            reference = self._losses(other, beside, since, until, known)
        return worst_slices(columns, loss, edges=self._edges(entry), reference=reference)

    def _version(self, model: str, version: int) -> tuple[ModelVersion, Package, Scheme]:
        if (model, version) not in self._known:
            self._known[model, version] = self._read(model, version)
        return self._known[model, version]

    def _read(self, model: str, version: int) -> tuple[ModelVersion, Package, Scheme]:
        entry = self._registry.version(model, version)
        try:
            bank = Bank.unpacked(self._artifacts.read(entry.candidate.files[BANK_FILE]))
            return entry, self._artifacts.load(entry.package, Package), bank.scheme
        except (KeyError, ArtifactNotFound, ArtifactInvalid) as error:
            raise NoBank.of(model, version, "score bins") from error

    def _estimator(self, entry: ModelVersion) -> Estimator | None:
        key = entry.model, entry.version
        if key not in self._estimators:
            at = entry.candidate.files.get(ESTIMATE_FILE)
            self._estimators[key] = None if at is None else self._artifacts.load(at, Estimator)
        return self._estimators[key]

    def _edges(self, entry: ModelVersion) -> Mapping[str, Sequence[float]]:
        at = entry.candidate.files.get(PROFILE_FILE)
        if at is None:
            return {}
        return {name: column.quantiles for name, column in self._artifacts.load(at, Profile).numbers.items()}

    def counted(self, model: str, version: int, day: date, known: datetime | None = None) -> DayCounts:
        """Count a day's predictions and their labels; raises as `report` does."""
        found = self.count(model, version, day, known)
        assert found is not None  # noqa: S101 - nothing stops it
        return found

    def count(
        self,
        model: str,
        version: int,
        day: date,
        known: datetime | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> DayCounts | None:
        """`counted`, unless ``stop`` says that time is up: then None."""
        entry, package, scheme = self._version(model, version)
        estimator = self._estimator(entry)
        direct = estimator.direct if estimator is not None else None
        counts = merge(package.task, scheme, [])
        scores = count_numbers("output", np.empty(0), scheme.scores, bin_sums=True)
        losses, of_labelled = (None if direct is None else LossCounts() for _ in range(2))
        for frame in self._predictions.frames(model, version, day, WANTED):
            if stop():
                return None
            joined = self._labels.of(frame, known)
            output = joined["output"].to_numpy(dtype="float64")
            scores = scores + count_numbers("output", output, scheme.scores, bin_sums=True)
            # What was no number when it was answered can't be right or wrong.
            usable = np.isfinite(output)
            joined, output = joined[usable], output[usable]
            counts = counts + count(package.task, scheme, output, joined["label"])  # type: ignore[operator]
            if direct is not None and losses is not None and of_labelled is not None:
                expected = direct.expected(self._columns(package, joined), output)
                known_ones = joined["label"].notna().to_numpy()
                losses = losses + estimated.counted(*expected)
                of_labelled = of_labelled + estimated.counted(*(side[known_ones] for side in expected))
        return DayCounts(
            classes=counts if isinstance(counts, ClassCounts) else None,
            errors=counts if isinstance(counts, ErrorCounts) else None,
            scores=scores,
            losses=losses,
            labelled_losses=of_labelled,
        )

    def _losses(
        self, package: Package, version: int, since: date, until: date, known: datetime | None
    ) -> tuple[dict[str, Any], Any]:
        """Columns and losses of labelled rows, thinned evenly if they are too many."""
        parts: list[pandas.DataFrame] = []
        rows, step, seen = 0, 1, 0
        for day in _days(since, until):
            for frame in self._predictions.frames(package.model, version, day, WANTED):
                joined = self._labels.of(frame, known)
                labelled = joined[joined["label"].notna()]
                chosen = labelled[(np.arange(len(labelled)) + seen) % step == 0]
                seen += len(labelled)
                made = pandas.DataFrame(dict(self._columns(package, chosen)), columns=list(package.columns))
                made[_LOSS] = loss_of_rows(package.task, chosen["label"], chosen["output"])
                parts.append(made)
                rows += len(made)
                while rows > MOST_ROWS:
                    step *= 2
                    parts = [pandas.concat(parts, ignore_index=True).iloc[::2]]
                    rows = len(parts[0])
        together = (
            pandas.concat(parts, ignore_index=True) if parts else pandas.DataFrame(columns=[*package.columns, _LOSS])
        )
        return {name: together[name] for name in package.columns}, together[_LOSS].to_numpy(dtype="float64")


_LOSS = "(loss)"
"""No column can have this name."""


def _estimated(estimator: Estimator | None, scores: NumberCounts, losses: LossCounts) -> tuple[Figures, str]:
    if estimator is None:
        return {}, "the version was trained before estimators were kept"
    if estimator.calibration is not None:
        return estimated.of_scores(estimator.calibration, scores), ""
    if estimator.direct is not None:
        return estimated.of_losses(estimator.direct, losses), ""
    return {}, estimator.reason


def _days(since: date, until: date) -> Iterator[date]:
    day = since
    while day <= until:
        yield day
        day += timedelta(days=1)
