"""Questions about how good a version was: by day or week, of a segment, as known at a moment, and where it is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

import pandas

from headwater.declare import Model
from headwater.errors import InvalidRequest
from headwater.monitoring.days.counting import columns_of, segment_places
from headwater.monitoring.days.service import CountedDay, Days
from headwater.monitoring.days.types import segment_names, start_of
from headwater.monitoring.days.versions import Versions
from headwater.monitoring.drift.bank import Bank
from headwater.monitoring.labels.definitions import Definitions
from headwater.monitoring.labels.service import Labels as ModelLabels
from headwater.monitoring.performance.answers import By, ErrorsAnswer, JudgedStretch, PerformanceAnswer
from headwater.monitoring.performance.estimator import Estimator
from headwater.monitoring.performance.service import DayCounts, Labels, Performance, Predictions
from headwater.monitoring.profiles.types import Scheme
from headwater.monitoring.watching import DAYS, NoSuchDay, Watching
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore
from headwater.registry.types import ModelVersion, Package

WEEKS = 4
"""Weeks of days that are shown unless others are asked for."""


class Asking:
    """Answers questions about the performance of a model.

    Parameters
    ----------
    watching : Watching
        Its days, as known at ``known``.
    registry : Registry
    artifacts : ArtifactStore
    versions : Versions
    labels : headwater.monitoring.labels.service.Labels
        Of the model.
    known : datetime, optional
        Only predictions and labels that were received before this moment count.
    """

    def __init__(
        self,
        watching: Watching,
        registry: Registry,
        artifacts: ArtifactStore,
        versions: Versions,
        labels: ModelLabels,
        *,
        known: datetime | None = None,
    ) -> None:
        self._watching, self._registry, self._artifacts = watching, registry, artifacts
        self._versions, self._labels, self._known = versions, labels, known

    def performance(
        self,
        *,
        version: int | None = None,
        since: date | None = None,
        until: date | None = None,
        segment: str = "",
        by: By = "day",
        delay: bool = True,
    ) -> PerformanceAnswer:
        """How good a version was. Each day's predictions and labels are read and joined once.

        Parameters
        ----------
        version : int, optional
            By default the one that serves.
        since, until : date, optional
            First and last day, UTC; by default the last seven that have predictions, or 28 by week.
        segment : str
            Such as ``carrier=UA``: its predictions beside its own held-out rows.
        by : {"day", "week"}
            Weeks begin on Monday.
        delay : bool
            Whether to ask how long labels took: the lake is asked anew for each time.

        Raises
        ------
        ModelNotRegistered, VersionNotFound, AliasNotFound, NoBank, NoDefinition, NoSuchSegment, InvalidRequest
        NoSuchDay
            The version has no predictions on these days.
        """
        model = self._labels.model
        number = self._watching.version(model, version)
        declared = self._declared(number)
        self._watching.days.check_segment(model, number, segment)
        days = [one.day for one in self._days(number, since, until, DAYS if by == "day" else 7 * WEEKS)]
        start, end = start_of(days[0]), start_of(days[-1]) + timedelta(days=1)
        with self._labels.counting(start, end, self._known) as labels:
            read = _Daily(
                self._registry,
                self._artifacts,
                _Chosen(self._watching.days, self._versions, days, segment),
                labels,
                segment=segment,
            )
            today = self._watching.today(model)

            def judged(some: Sequence[date]) -> JudgedStretch:
                report = read.report(
                    model,
                    number,
                    some[0],
                    some[-1],
                    metric=declared.watched_metric,
                    tolerance=declared.monitoring.tolerance,
                    known=self._known,
                )
                return JudgedStretch(metric=declared.watched_metric, report=report, running=some[-1] >= today)

            return PerformanceAnswer(
                model=model,
                version=number,
                metric=declared.watched_metric,
                tolerance=declared.monitoring.tolerance,
                segment=segment,
                by=by,
                known=self._known,
                stretches=tuple(judged(some) for some in _stretches(days, by)),
                whole=judged(days),
                delay=labels.delay() if delay else (),
            )

    def errors(
        self,
        *,
        version: int | None = None,
        since: date | None = None,
        until: date | None = None,
        beside: int | None = None,
    ) -> ErrorsAnswer:
        """The slices of labelled predictions that lose most; ``beside`` names a version to compare them with.

        Raises
        ------
        ModelNotRegistered, VersionNotFound, AliasNotFound, NoBank, NoDefinition, InvalidRequest
        NoSuchDay
            The version has no predictions on these days.
        """
        model = self._labels.model
        number = self._watching.version(model, version)
        declared = self._declared(number)
        if beside is not None:
            self._registry.version(model, beside)
        if beside == number:
            raise InvalidRequest(f"beside {beside}: expected another version than the one that is asked about")
        days = [one.day for one in self._days(number, since, until, DAYS)]
        performance = Performance(self._registry, self._artifacts, self._watching.days, self._labels, columns_of)
        return ErrorsAnswer(
            model=model,
            version=number,
            since=days[0],
            until=days[-1],
            loss="log loss" if declared.task == "classification" else "squared error",
            beside=beside,
            known=self._known,
            analysis=performance.errors(model, number, days[0], days[-1], known=self._known, beside=beside),
        )

    def _declared(self, version: int) -> Model:
        return Definitions(self._registry, self._artifacts).product(self._labels.model, version).models[0]

    def _days(self, version: int, since: date | None, until: date | None, most: int) -> list[CountedDay]:
        model = self._labels.model
        found = self._watching.chosen(model, version, since, until, most)
        if found:
            return found
        last = self._watching.days.last(model, version, 1) if since or until else []
        raise NoSuchDay(
            f"version {version} of model {model!r} has no predictions"
            + (" on these days" if since or until else "")
            + (f". The last day that has some is {last[0].day}" if last else "")
        )


class _Chosen:
    """Predictions of some days, or of a segment of them."""

    def __init__(self, days: Days, versions: Versions, chosen: Sequence[date], segment: str) -> None:
        self._days, self._versions, self._chosen, self._segment = days, versions, set(chosen), segment

    def frames(
        self, model: str, version: int, day: date, columns: Sequence[str] | None = None
    ) -> Iterator[pandas.DataFrame]:
        """The predictions of a day, each once."""
        if day not in self._chosen:
            return
        for frame in self._days.frames(model, version, day, columns):
            yield self._of_segment(frame, *self._versions.known(model, version)) if self._segment else frame

    def _of_segment(self, frame: pandas.DataFrame, bank: Bank, package: Package) -> pandas.DataFrame:
        column = next(
            column for column, values in bank.segments.items() if self._segment in segment_names(column, values)
        )
        values = bank.segments[column]
        places = segment_places(columns_of(package, frame)[column], values)
        return frame[places == segment_names(column, values).index(self._segment)]


class _Daily(Performance):
    """Performance whose version and days are read once, however many stretches of them are asked about."""

    def __init__(
        self,
        registry: Registry,
        artifacts: ArtifactStore,
        predictions: Predictions,
        labels: Labels,
        *,
        segment: str = "",
    ) -> None:
        super().__init__(registry, artifacts, predictions, labels, columns_of)
        self._segment = segment
        self._read: dict[tuple[str, int], tuple[ModelVersion, Package, Scheme]] = {}
        self._estimators: dict[int, Estimator | None] = {}
        self._counted: dict[date, DayCounts] = {}

    def _version(self, model: str, version: int) -> tuple[ModelVersion, Package, Scheme]:
        if (model, version) not in self._read:
            self._read[model, version] = super()._version(model, version)
        return self._read[model, version]

    def _estimator(self, entry: ModelVersion) -> Estimator | None:
        """The version's estimator; of a segment with the segment's baselines instead of the whole's."""
        if entry.version not in self._estimators:
            found = super()._estimator(entry)
            if self._segment and found is None:
                candidate = entry.candidate
                found = Estimator(
                    model=candidate.model,
                    run_id=candidate.run_id,
                    task=self._version(candidate.model, entry.version)[1].task,
                    reason="the version was trained before estimators were kept",
                )
            if self._segment and found is not None:
                # The estimated figures of held-out rows are those of all segments: nothing to judge a segment's by.
                baselines = found.segments.get(self._segment, {})
                found = found.model_copy(update={"baselines": baselines, "estimated": {}})
            self._estimators[entry.version] = found
        return self._estimators[entry.version]

    def _count(
        self,
        package: Package,
        scheme: Scheme,
        estimator: Estimator | None,
        version: int,
        day: date,
        known: datetime | None,
    ) -> DayCounts:
        if day not in self._counted:
            self._counted[day] = super()._count(package, scheme, estimator, version, day, known)
        return self._counted[day]


def _stretches(days: Sequence[date], by: By) -> list[list[date]]:
    """The days that have predictions, each by itself or week by week."""
    found: dict[object, list[date]] = {}
    for day in days:
        found.setdefault(day if by == "day" else day.isocalendar()[:2], []).append(day)
    return list(found.values())
