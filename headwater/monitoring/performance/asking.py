"""Questions about how good a version was: by day or week, of a segment, as known at a moment, and where it is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import date, datetime, timedelta

import pandas

from headwater.declare import Model
from headwater.errors import InvalidRequest
from headwater.monitoring.asked_days import NEWEST, AskedDays
from headwater.monitoring.days.counting import columns_of, segment_places
from headwater.monitoring.days.service import CountedDay, Days
from headwater.monitoring.days.types import segment_names, start_of
from headwater.monitoring.days.versions import Versions
from headwater.monitoring.drift.bank import Bank
from headwater.monitoring.labels.coverage import why_no_delay
from headwater.monitoring.labels.definitions import Definitions
from headwater.monitoring.labels.service import Labels as ModelLabels
from headwater.monitoring.performance.answers import By, ErrorsAnswer, JudgedStretch, PerformanceAnswer
from headwater.monitoring.performance.estimator import Estimator
from headwater.monitoring.performance.service import Columns, DayCounts, Labels, Performance, Predictions
from headwater.monitoring.performance.withdrawal import EstimateStanding
from headwater.monitoring.watching import DAYS, NoSuchDay, Watching
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore
from headwater.registry.types import ModelVersion, Package

WEEKS = 4
"""Weeks of days that are shown unless others are asked for."""


@dataclass(frozen=True)
class Asking:
    """Answers questions about the performance of a model."""

    watching: Watching
    """Its days, as known at ``known``."""
    registry: Registry
    artifacts: ArtifactStore
    versions: Versions
    labels: ModelLabels
    """Labels of the model."""
    _: KW_ONLY
    known: datetime | None = None
    """Only predictions and labels that were received before this moment count."""
    standing: Callable[[int], EstimateStanding | None] = lambda _: None
    """Gives what is known of a version's estimates: those that were withdrawn aren't shown."""

    def performance(
        self, asked: AskedDays = NEWEST, *, segment: str = "", by: By = "day", delay: bool = True
    ) -> PerformanceAnswer:
        """How good a version was. Each day's predictions and labels are read and joined once.

        Parameters
        ----------
        asked : AskedDays
            By default the last seven days that have predictions, or 28 by week.
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
        model = self.labels.model
        number = self.watching.version(model, asked.version)
        declared = self._declared(number)
        self.watching.days.check_segment(model, number, segment)
        days = [one.day for one in self._days(number, asked, DAYS if by == "day" else 7 * WEEKS)]
        start, end = start_of(days[0]), start_of(days[-1]) + timedelta(days=1)
        with self.labels.counting(start, end, self.known) as labels:
            predictions = _Chosen(self.watching.days, self.versions, segment)
            performance = _OfSegment(self.registry, self.artifacts, predictions, labels, columns_of, segment=segment)
            counted = {day: performance.counted(model, number, day, self.known) for day in days}
            judged = self._judging(number, performance, counted, is_segment=bool(segment))
            whole, curve = judged(days), labels.delay() if delay else ()
            return PerformanceAnswer(
                model=model,
                version=number,
                metric=declared.watched_metric,
                tolerance=declared.monitoring.tolerance,
                segment=segment,
                by=by,
                known=self.known,
                stretches=tuple(judged(some) for some in _stretches(days, by)),
                whole=whole,
                delay=curve,
                delay_reason=why_no_delay(curve, whole.report.bias.labelled, end, labels.known) if delay else "",
            )

    def _judging(
        self, version: int, performance: Performance, counted: Mapping[date, DayCounts], *, is_segment: bool
    ) -> Callable[[Sequence[date]], JudgedStretch]:
        """A function that judges some of the days that were counted, together."""
        model, declared = self.labels.model, self._declared(version)
        among = len(self.watching.days.segments(model, version)) if is_segment else 1
        today, standing = self.watching.today(model), self._believed(version)

        def judged(days: Sequence[date]) -> JudgedStretch:
            report = performance.judge(
                model,
                version,
                {day: counted[day] for day in days},
                metric=declared.watched_metric,
                tolerance=declared.monitoring.tolerance,
                known=self.known,
                standing=standing,
                among=among,
            )
            return JudgedStretch(metric=declared.watched_metric, report=report, running=days[-1] >= today)

        return judged

    def changes(self) -> datetime | None:
        """When time alone gives a label that `performance` just lacked; None if never. To be asked behind it."""
        return self.labels.changes(self.known)

    def errors(self, asked: AskedDays = NEWEST, *, beside: int | None = None) -> ErrorsAnswer:
        """The slices of labelled predictions that lose most; ``beside`` names a version to compare them with.

        Raises
        ------
        ModelNotRegistered, VersionNotFound, AliasNotFound, NoBank, NoDefinition, InvalidRequest
        NoSuchDay
            The version has no predictions on these days.
        """
        model = self.labels.model
        number = self.watching.version(model, asked.version)
        declared = self._declared(number)
        if beside is not None:
            self.registry.version(model, beside)
        if beside == number:
            raise InvalidRequest(f"beside {beside}: expected another version than the one that is asked about")
        days = [one.day for one in self._days(number, asked, DAYS)]
        performance = Performance(self.registry, self.artifacts, self.watching.days, self.labels, columns_of)
        return ErrorsAnswer(
            model=model,
            version=number,
            since=days[0],
            until=days[-1],
            loss="log loss" if declared.task == "classification" else "squared error",
            beside=beside,
            known=self.known,
            analysis=performance.errors(model, number, days[0], days[-1], known=self.known, beside=beside),
        )

    def _believed(self, version: int) -> EstimateStanding | None:
        """Whether the version's estimates are believed, as it was known then."""
        found = self.standing(version)
        if found is None or found.withdrawn_on is None or self.known is None:
            return found
        return found if start_of(found.withdrawn_on) < self.known else None

    def _declared(self, version: int) -> Model:
        return Definitions(self.registry, self.artifacts).product(self.labels.model, version).models[0]

    def _days(self, version: int, asked: AskedDays, most: int) -> list[CountedDay]:
        model, is_asked = self.labels.model, bool(asked.since or asked.until)
        found = self.watching.chosen(model, version, asked, most)
        if found:
            return found
        last = self.watching.days.last(model, version, 1) if is_asked else []
        raise NoSuchDay(
            f"version {version} of model {model!r} has no predictions"
            + (" on these days" if is_asked else "")
            + (f". The last day that has some is {last[0].day}" if last else "")
        )


@dataclass(frozen=True)
class _Chosen:
    """Predictions by day: all, or those of a segment."""

    days: Days
    versions: Versions
    segment: str

    def frames(
        self, model: str, version: int, day: date, columns: Sequence[str] | None = None
    ) -> Iterator[pandas.DataFrame]:
        """The predictions of a day, each once."""
        for frame in self.days.frames(model, version, day, columns):
            yield self._of_segment(frame, *self.versions.known(model, version)) if self.segment else frame

    def _of_segment(self, frame: pandas.DataFrame, bank: Bank, package: Package) -> pandas.DataFrame:
        named = {column: segment_names(column, values) for column, values in bank.segments.items()}
        column = next(column for column, names in named.items() if self.segment in names)
        places = segment_places(columns_of(package, frame)[column], bank.segments[column])
        chosen: pandas.DataFrame = frame.loc[places == named[column].index(self.segment)]
        return chosen


class _OfSegment(Performance):
    """Performance beside the baselines of a segment; of the whole where that is empty."""

    def __init__(
        self,
        registry: Registry,
        artifacts: ArtifactStore,
        predictions: Predictions,
        labels: Labels,
        columns: Columns,
        *,
        segment: str = "",
    ) -> None:
        super().__init__(registry, artifacts, predictions, labels, columns)
        self._segment = segment

    def _estimator(self, entry: ModelVersion) -> Estimator | None:
        found = super()._estimator(entry)
        if not self._segment:
            return found
        if found is None:
            found = Estimator(
                model=entry.model,
                run_id=entry.candidate.run_id,
                task=self._version(entry.model, entry.version)[1].task,
                reason="the version was trained before estimators were kept",
            )
        own = found.segments.get(self._segment, {}), found.estimated_segments.get(self._segment, {})
        return found.model_copy(update={"baselines": own[0], "estimated": own[1]})


def _stretches(days: Sequence[date], by: By) -> list[list[date]]:
    """The days that have predictions, each by itself or week by week."""
    found: dict[object, list[date]] = {}
    for day in days:
        found.setdefault(day if by == "day" else day.isocalendar()[:2], []).append(day)
    return list(found.values())
