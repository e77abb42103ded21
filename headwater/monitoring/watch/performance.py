"""Performance of the version that serves, over the last days that have predictions, for the hourly look.

Rows are read once a day for each day, and again only when a sign says that their labels may be others: a batch of
labels was written, a source of the examples has another commit, or the day has other rows. Counts are kept day by day,
so that a look whose time is up leaves the other days to the next one. What is judged follows from kept counts alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import pandas

from headwater.declare import Metric, Model
from headwater.errors import HeadwaterError
from headwater.lake.errors import LakeBusy
from headwater.monitoring.days.counting import columns_of
from headwater.monitoring.days.service import Days
from headwater.monitoring.labels.definitions import Definitions
from headwater.monitoring.labels.errors import NoDefinition
from headwater.monitoring.labels.service import Labels
from headwater.monitoring.performance.metrics import of_task
from headwater.monitoring.performance.service import Performance
from headwater.monitoring.status import PerformanceFigure, Status
from headwater.monitoring.watch.figures import JudgedPerformance, KeptCounts, ScoredDay
from headwater.monitoring.watch.records import WatchRecords
from headwater.monitoring.watch.signs import LabelSigns, sign
from headwater.monitoring.watch.types import JudgedDay
from headwater.registry.errors import RegistryBusy
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore

DAYS = 7
"""Days with predictions, the last ones that are over, that performance is judged on."""
MATURE = 0.8
"""Share of a day's predictions whose labels have come, from which the day's estimate is scored. Held-out rows, which
baselines are of, are labelled altogether."""
MATURE_AFTER = timedelta(days=30)
"""So long after a day was judged first its estimate is scored by the labels that there are."""
WAITING = 40
"""Days with predictions among which those are looked for whose estimates aren't scored yet."""
AGES = (timedelta(days=10), timedelta(days=14), timedelta(days=21), MATURE_AFTER)
"""Ages at which days that are no longer among the last `DAYS`, and wait to be scored, are counted again."""
BUSY = (LakeBusy, RegistryBusy)
"""Errors that pass by themselves."""


class Found(NamedTuple):
    """Performance as a look found it."""

    realised: PerformanceFigure | None = None
    estimated: PerformanceFigure | None = None
    notes: tuple[str, ...] = ()
    """Why a figure is missing or old, a line each."""
    complete: bool = True
    """False if time was up before all days were counted."""
    error: Exception | None = None
    """An unexpected one; figures are then those of the look before."""


class PerformanceLook:
    """Judges versions' performance.

    Parameters
    ----------
    registry : Registry
    artifacts : ArtifactStore
    records : WatchRecords
    days : callable
        Gives the days of predictions as they are stored.
    labels : callable
        Gives the labels of a model as known at a moment, as a context.
    signs : LabelSigns
    declared : callable, optional
        Gives a model as it is declared now, whose metric and tolerance count; None if it no longer is. A version's own
        declaration stands in for it.
    """

    def __init__(
        self,
        registry: Registry,
        artifacts: ArtifactStore,
        records: WatchRecords,
        days: Callable[[], Days],
        labels: Callable[[str, datetime], Labels],
        signs: LabelSigns,
        declared: Callable[[str], Model | None] = lambda _: None,
    ) -> None:
        self._registry, self._artifacts, self._records = registry, artifacts, records
        self._days, self._labels, self._signs, self._declared = days, labels, signs, declared
        self._definitions = Definitions(registry, artifacts)

    def __call__(
        self,
        model: str,
        version: int,
        now: datetime,
        judged: Sequence[JudgedDay],
        before: Status | None,
        stop: Callable[[], bool],
    ) -> Found:
        """Performance of a version on the last of its judged days, which are given oldest first."""
        known = before if before is not None and before.version == version else None
        realised, estimated = (known.realised, known.estimated) if known else (None, None)
        try:
            return self._look(_Asked(model, version, now, stop), judged, known)
        except BUSY as error:
            return Found(
                realised, estimated, (f"performance is that of an earlier look: {error.message}",), error=error
            )
        except HeadwaterError as error:
            # Something that a person can put right, and that leaves the others and this model's drift as they are.
            return Found(realised, estimated, (f"performance can't be judged: {error.message}",))
        except Exception as error:  # What was found of drift is written down all the same.
            note = f"performance is that of an earlier look: {type(error).__name__}, see the function's log"
            return Found(realised, estimated, (note,), error=error)

    def sweep(self, model: str, version: int | None, judged: Sequence[JudgedDay]) -> None:
        """Remove counts that nothing follows from any more: some may be of rows of somebody who is forgotten."""
        needed = {(version, one.day) for one in _with_rows(judged)[-WAITING:]} if version is not None else set()
        self._records.remove_counts(model, needed)

    def _look(self, asked: _Asked, judged: Sequence[JudgedDay], before: Status | None) -> Found:
        days = _with_rows(judged)
        if not days:
            return Found()
        window, scored = days[-DAYS:], {one.estimate.until for one in self._records.scored(asked.model, asked.version)}
        waiting = [one for one in days[-WAITING:-DAYS] if one.day not in scored]
        signs = self._signs_of(asked, window, waiting)
        kept, complete = self._counted(asked, [*window, *waiting], signs)
        performance = Performance(self._registry, self._artifacts, self._days(), _NoLabels(), columns_of)
        metric, tolerance = self._watched(asked, performance)
        for one in (*waiting, *window):
            found = kept.get(one.day)
            if found is not None and found.sign == signs[one.day] and not found.reason and one.day not in scored:
                self._score(asked, performance, one, found, metric)
        if lacking := [one for one in window if one.day not in kept]:
            note = f"{len(lacking)} of {len(window)} days aren't counted yet: the next look goes on"
            realised, estimated = (before.realised, before.estimated) if before else (None, None)
            return Found(realised, estimated, (note,), complete)
        standing = self._records.standing(asked.model, asked.version).standing
        counts = {one.day: kept[one.day].counts for one in window}
        report = performance.judge(
            asked.model, asked.version, counts, metric=metric, tolerance=tolerance, known=asked.now, standing=standing
        )
        reasons = dict.fromkeys(kept[one.day].reason for one in window)
        notes = [f"labels can't be joined: {reason}" for reason in reasons if reason]
        if report.realised is None:
            notes.append(f"no realised {metric}: {report.bias.raw[metric].reason or 'training has no baseline of it'}")
        if report.estimate is None:
            reason = report.reason or report.estimated[metric].reason or "training has no baseline of it"
            notes.append(f"no estimated {metric}: {reason}")
        said = JudgedPerformance(
            model=asked.model,
            version=asked.version,
            since=window[0].day,
            until=window[-1].day,
            known=asked.now,
            predictions=report.bias.predictions,
            labelled=report.bias.labelled,
            realised=report.realised,
            estimated=report.estimate,
            notes=tuple(notes),
        )
        self._records.put_performance(said)
        return Found(said.realised, said.estimated, said.notes, complete)

    def _signs_of(self, asked: _Asked, window: Sequence[JudgedDay], waiting: Sequence[JudgedDay]) -> dict[date, str]:
        """Each day's sign: what its counts follow from."""
        try:
            sources = self._definitions.product(asked.model, asked.version).models[0].examples.sources
        except NoDefinition:
            # Joining the labels says so.
            sources = ()
        labels = self._signs.of(asked.model, sources, asked.now)
        # Rows of the lake become known as time passes, without a commit.
        today = asked.now.astimezone(UTC).date().isoformat()
        found = {one.day: sign(one.now.digest, *labels, today) for one in window}
        for one in waiting:
            age = asked.now - _first_judged(one)
            found[one.day] = sign(one.now.digest, f"age {sum(age >= limit for limit in AGES)}")
        return found

    def _counted(
        self, asked: _Asked, days: Sequence[JudgedDay], signs: Mapping[date, str]
    ) -> tuple[dict[date, KeptCounts], bool]:
        """The days' counts; those that couldn't be counted in time are old ones, or missing."""
        kept = {one.day: found for one in days if (found := self._records.counts(asked.model, asked.version, one.day))}
        due = [one.day for one in days if one.day not in kept or kept[one.day].sign != signs[one.day]]
        if not due:
            return kept, True
        # The one that was counted longest ago comes first, so that each has its turn however often time is up.
        due.sort(key=lambda day: (kept[day].known if day in kept else datetime.min.replace(tzinfo=UTC), day))
        with self._labels(asked.model, asked.now) as labels:
            joined = _Joined(labels)
            performance = Performance(self._registry, self._artifacts, self._days(), joined, columns_of)
            for day in due:
                made = self._count(asked, performance, joined, day, signs[day], kept.get(day))
                if made is None:
                    return kept, False
                self._records.put_counts(made)
                kept[day] = made
        return kept, True

    def _count(
        self,
        asked: _Asked,
        performance: Performance,
        joined: _Joined,
        day: date,
        wanted: str,
        before: KeptCounts | None,
    ) -> KeptCounts | None:
        if asked.stop():
            return None
        failed = joined.reason
        counts = performance.count(asked.model, asked.version, day, asked.now, asked.stop)
        if joined.reason and before is not None:
            # Labels that were joined once aren't forgotten because a source is broken now.
            return before.model_copy(update={"sign": wanted, "known": asked.now, "reason": joined.reason})
        if joined.reason != failed:
            # Some of the rows may have been joined.
            counts = performance.count(asked.model, asked.version, day, asked.now, asked.stop)
        if counts is None:
            return None
        return KeptCounts(
            model=asked.model,
            version=asked.version,
            day=day,
            sign=wanted,
            known=asked.now,
            counts=counts,
            reason=joined.reason,
        )

    def _score(self, asked: _Asked, performance: Performance, day: JudgedDay, kept: KeptCounts, metric: Metric) -> None:
        """Score a day's estimate if its labels have come."""
        coverage = kept.counts.coverage
        if coverage < MATURE and asked.now - _first_judged(day) < MATURE_AFTER:
            return
        estimate = performance.score(asked.model, asked.version, day.day, kept.counts, metric)
        if estimate is not None:
            self._records.score(
                ScoredDay(model=asked.model, version=asked.version, at=asked.now, coverage=coverage, estimate=estimate)
            )

    def _watched(self, asked: _Asked, performance: Performance) -> tuple[Metric, float]:
        """The metric and the tolerance that are declared now, or were for the version."""
        task = performance.task(asked.model, asked.version)
        declared = self._declared(asked.model)
        if declared is None or declared.watched_metric not in of_task(task):
            declared = self._definitions.product(asked.model, asked.version).models[0]
        return declared.watched_metric, declared.monitoring.tolerance


class _Asked(NamedTuple):
    """The version that is looked at, and when."""

    model: str
    version: int
    now: datetime
    stop: Callable[[], bool]


class _Joined:
    """Labels, or none of them once they can't be joined."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self.reason = ""

    def of(self, frame: pandas.DataFrame, known: datetime | None = None) -> pandas.DataFrame:
        """The same rows with the column ``label``."""
        if not self.reason:
            try:
                return self._labels.of(frame, known)
            except BUSY:
                raise
            except HeadwaterError as error:
                self.reason = error.message
        return frame.assign(label=np.nan)


class _NoLabels:
    """Judging kept counts asks for none."""

    def of(self, frame: pandas.DataFrame, known: datetime | None = None) -> Any:  # noqa: ARG002
        """The same rows without any label."""
        return frame.assign(label=np.nan)


def _with_rows(judged: Sequence[JudgedDay]) -> list[JudgedDay]:
    return [one for one in judged if one.now.verdict.rows]


def _first_judged(day: JudgedDay) -> datetime:
    """When all of a day was there for the first time: a replayed one's labels have had no time before that."""
    return min(one.at for one in day.said)
