"""The hourly look at every model: counting, judging, and one document that says how the model is.

A run may be doubled, late or killed anywhere. Counts and verdicts are functions of the rows that a day has. A verdict
is written if nobody wrote another one since the day was read, and what is left undone is due again an hour later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from headwater.monitoring.days.keeping import Counted, Keeping
from headwater.monitoring.days.service import Days
from headwater.monitoring.days.store import DayStore
from headwater.monitoring.days.versions import Versions
from headwater.monitoring.drift.standing import State
from headwater.monitoring.drift.verdicts import Finding, Outcome
from headwater.monitoring.errors import NoBank
from headwater.monitoring.log.store import CompactionStore
from headwater.monitoring.status import PerformanceFigure, Status, deciding, severity_of
from headwater.monitoring.watch.judging import VersionJudge, last_day_over
from headwater.monitoring.watch.performance import Found, PerformanceLook
from headwater.monitoring.watch.store import WatchStore
from headwater.monitoring.watch.types import JudgedDay, stood
from headwater.monitoring.watch.words import LASTING, of_findings, of_verdict
from headwater.registry.service import PRODUCTION, Registry

RECENT_DAYS = 4
"""Days by ``as_of`` that each look goes through; others if their parts changed, and all once a day."""


@dataclass
class Looked:
    """Findings of a look."""

    statuses: list[Status] = field(default_factory=list)
    counted: dict[str, Counted] = field(default_factory=dict)
    judged: int = 0
    """Days that were judged, for the first time or again."""
    complete: bool = True
    failed: dict[str, Exception] = field(default_factory=dict)
    """By model why it couldn't be looked at."""


@dataclass(frozen=True)
class Watch:
    """Looks at models."""

    registry: Registry
    log: CompactionStore
    days: DayStore
    store: WatchStore
    versions: Versions
    performance: PerformanceLook | None = None
    """Without it nothing is said of performance."""

    def run(self, now: datetime, stop: Callable[[], bool] = lambda: False) -> Looked:
        """Look at every model that predictions are kept of, or that was looked at before."""
        looked = Looked()
        models = sorted({*self.log.log.models(), *self.registry.models()})
        # Each hour another model is the first: no one starves if time is up each time.
        first = int(now.timestamp() // 3600) % len(models) if models else 0
        for model in (*models[first:], *models[:first]):
            if stop():
                looked.complete = False
                break
            try:
                self.look(model, now, stop, looked)
            except Exception as error:  # The models beside it can be looked at all the same.
                looked.failed[model] = error
        return looked

    def look(
        self, model: str, now: datetime, stop: Callable[[], bool] = lambda: False, looked: Looked | None = None
    ) -> Status | None:
        """Count a model's new parts, judge the days that are over, and write down how the model is.

        None if no version serves and none did when it was looked at last, or nothing was ever predicted.
        """
        looked = looked or Looked()
        counted = Keeping(self.log, self.days, self.versions).run(model, now, stop)
        looked.counted[model] = counted
        complete = counted.complete
        version, before = self.registry.current(model, PRODUCTION), self.store.status(model)
        status: Status | None
        error: Exception | None = None
        if version is None:
            status = before and Status(
                model=model, version=before.version, at=now, state=State.COLLECTING, reason="no version serves"
            )
        else:
            status, judged_all, error = self._serving(model, version, now, before, counted, stop, looked)
            complete &= judged_all
        looked.complete &= complete
        if complete and counted.whole:
            self._sweep(model, version)
            self.days.note_looked(model, now.astimezone(UTC).date())
        if status is not None:
            self.store.put_status(status)
            looked.statuses.append(status)
        if error is not None:
            raise error
        return status

    def _serving(
        self,
        model: str,
        version: int,
        now: datetime,
        before: Status | None,
        counted: Counted,
        stop: Callable[[], bool],
        looked: Looked,
    ) -> tuple[Status | None, bool, Exception | None]:
        """The status, whether all days that are due were judged, and what went wrong with performance."""
        days, complete = Days(self.log, self.days, self.versions), True
        try:
            judge = VersionJudge(self.store, days, self.versions, model, version)
        except NoBank as error:
            return (
                Status(model=model, version=version, at=now, state=State.COLLECTING, reason=error.message),
                True,
                None,
            )
        judged = {one.day: one for one in self.store.judged(model, version)}
        if counted.complete:
            whole = counted.whole or before is None or before.version != version
            digests = self._digests(days, model, version, now, counted, whole=whole)
            progress = self.log.progress(model)
            over = last_day_over(progress.through if progress else None, now)
            for day in judge.due(digests, over, judged, whole=whole) if over else ():
                if stop():
                    complete = False
                    break
                judged[day] = judge.judge(day, judged, now)
                looked.judged += 1
            if before is None and not judged and not digests:
                return None, complete, None
        ordered = [judged[day] for day in sorted(judged)]
        today = now.astimezone(UTC).date()
        findings, rows = judge.quality(today, ordered)
        found = Found()
        if self.performance is not None:
            found = self.performance(model, version, now, ordered, before, stop)
        status = status_of(
            model, version, now, ordered, running=(findings, rows), figures=(found.realised, found.estimated),
            notes=found.notes,
        )  # fmt: skip
        # What is removed, and noted as looked at, doesn't wait for performance.
        looked.complete &= found.complete
        return status, complete, found.error

    def _digests(
        self, days: Days, model: str, version: int, now: datetime, counted: Counted, *, whole: bool
    ) -> dict[date, str]:
        if whole:
            return days.digests(model, version)
        since = now.astimezone(UTC).date() - timedelta(days=RECENT_DAYS)
        found = days.digests(model, version, since)
        for day in sorted(day for day in counted.days if day < since):
            found |= days.digests(model, version, day, day)
        return found

    def _sweep(self, model: str, serving: int | None) -> None:
        """Remove windows of rows that a day no longer has: some of them may be of somebody who is forgotten."""
        if self.performance is not None:
            judged = self.store.judged(model, serving) if serving is not None else []
            self.performance.sweep(model, serving, judged)
        kept = self.store.window_names(model)
        days = Days(self.log, self.days, self.versions)
        for version in {name.version for name in kept}:
            digests = days.digests(model, version)
            for name in kept:
                if name.version == version and digests.get(name.day) != name.digest:
                    self.store.remove_window(name)


def status_of(
    model: str,
    version: int,
    now: datetime,
    days: Sequence[JudgedDay],
    *,
    running: tuple[tuple[Finding, ...], int] = ((), 0),
    figures: tuple[PerformanceFigure | None, PerformanceFigure | None] = (None, None),
    notes: tuple[str, ...] = (),
) -> Status:
    """How a version is, by what was said of its days, oldest first, and by the quality of the day that runs."""
    standing = stood(days)
    last = next((one for one in reversed(days) if one.counts.verdict.outcome is not Outcome.COLLECTING), None)
    state, since = (standing[-1].state, standing[-1].since) if standing else (State.COLLECTING, None)
    findings, rows = running
    verdict = last.counts.verdict if last else None
    facts = {
        "day": last.day if last else None,
        "rows": verdict.rows if verdict else 0,
        "score": verdict.score if verdict else None,
        "p": verdict.p if verdict else None,
        "findings": verdict.findings if verdict else (),
    }
    if verdict is not None:
        reason = of_verdict(verdict)
    else:
        reason = days[-1].counts.verdict.reason if days else "no day that is over has predictions of this version"
    if standing and standing[-1].lasts:
        reason = f"{LASTING}; {reason}"
    if findings:
        today = now.astimezone(UTC).date()
        since = since if state is State.ALARM else today
        state, reason = State.ALARM, f"today so far: {of_findings(findings)}"
        facts = {"day": today, "rows": rows, "score": None, "p": None, "findings": findings}
    realised, estimated = figures
    figure = deciding(realised, estimated)
    if figure is not None and figure.is_worse:
        kind = "realised" if realised else "estimated"
        reason = f"{kind} {figure.metric} {figure.value:.4g} is worse than its limit {figure.limit:.4g}; {reason}"
    severity = severity_of(state, realised, estimated)
    return Status.model_validate(
        {"model": model, "version": version, "at": now, "state": state, "since": since, "severity": severity,
         "reason": reason, "realised": realised, "estimated": estimated, "notes": notes, **facts}
    )  # fmt: skip
