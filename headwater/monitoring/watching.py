"""Questions about how a model is: what was said, what today's rules say, and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from headwater.clock import in_utc
from headwater.errors import InvalidRequest, NotFound
from headwater.monitoring.answers import (
    ColumnQuality,
    Explanation,
    FeatureExplained,
    ModelStatus,
    Quality,
    Replay,
    ReplayedDay,
    Segments,
    SegmentShare,
    Watched,
    WatchedDay,
)
from headwater.monitoring.asked_days import NEWEST, AskedDays
from headwater.monitoring.days.service import CountedDay, Days
from headwater.monitoring.days.store import DayStore
from headwater.monitoring.days.versions import Versions
from headwater.monitoring.drift.bank import Bank
from headwater.monitoring.drift.explaining import beside_usual, features_of, histogram, usual_shares
from headwater.monitoring.drift.standing import Standing
from headwater.monitoring.drift.verdicts import Verdict
from headwater.monitoring.log.store import CompactionStore
from headwater.monitoring.profiles.types import SCORES
from headwater.monitoring.status import Status
from headwater.monitoring.stretches import SEGMENT_DAYS, judge_of, verdicts_of_horizon, verdicts_of_segment
from headwater.monitoring.watch.judging import VersionJudge
from headwater.monitoring.watch.service import status_of
from headwater.monitoring.watch.store import WatchStore
from headwater.monitoring.watch.types import JudgedDay, stood
from headwater.registry.errors import AliasNotFound
from headwater.registry.service import PRODUCTION, Registry

DAYS = 7
"""Days that are shown unless others are asked for."""
LONGEST = 400
"""Days that one question may be about."""


class NoSuchDay(NotFound):
    """The version has no predictions of that day."""


class NoSuchFeature(NotFound):
    """The version has no such column."""


class Watching:
    """Answers questions about models.

    Parameters
    ----------
    registry : Registry
    log : CompactionStore
    days : DayStore
    store : WatchStore
    versions : Versions
    now : datetime
    known : datetime, optional
        Answer as of this moment: by the predictions that were received, and by what was said, before it.
    """

    def __init__(
        self,
        registry: Registry,
        log: CompactionStore,
        days: DayStore,
        store: WatchStore,
        versions: Versions,
        *,
        now: datetime,
        known: datetime | None = None,
    ) -> None:
        known = None if known is None else in_utc(known, "as_of")
        self._registry, self._log, self._store, self._versions = registry, log, store, versions
        self._now, self._known = now, known
        self.days = Days(log, days, versions, now=now, known=known)

    # -- what was said ------------------------------------------------------------------------------------------

    def statuses(self) -> tuple[ModelStatus, ...]:
        """How each registered model is by the last look, by name."""
        return tuple(ModelStatus(model=model, status=self._status(model)) for model in self._registry.models())

    def status(self, model: str, days: int = 30) -> ModelStatus:
        """How a model is, with its last ``days`` judged days.

        Raises
        ------
        ModelNotRegistered
        """
        self._registry.versions(model)
        found = self._status(model)
        if found is None:
            return ModelStatus(model=model, status=None)
        judged = self._judged(model, found.version)
        importance: dict[str, float] = {}
        if bank := self._versions.get(model, found.version):
            importance = dict(bank[0].importance)
        return ModelStatus(
            model=model,
            status=found,
            days=tuple(judged[-days:]),
            stood=tuple(stood(judged)[-days:]),
            importance=importance,
        )

    def _status(self, model: str) -> Status | None:
        """The last look's words, or, as of a moment, what follows from all that had been said by then."""
        if self._known is None:
            return self._store.status(model)
        served = self._served(model)
        judged = self._judged(model, served) if served is not None else []
        if served is None or not judged:
            return None
        windows = self._store.performances(model, served, self._known)
        if not windows:
            return status_of(model, served, self._known, judged)
        last = windows[-1]
        figures = last.realised, last.estimated
        return status_of(model, served, self._known, judged, figures=figures, notes=last.notes)

    def version(self, model: str, version: int | None) -> int:
        """The version that is asked about, by default the one that serves, or served at the moment asked about.

        Raises
        ------
        ModelNotRegistered, VersionNotFound, AliasNotFound
        """
        if version is not None:
            return self._registry.version(model, version).version
        if self._known is None:
            return self._registry.resolve(model, PRODUCTION).version
        served = self._served(model)
        if served is None:
            raise AliasNotFound(f"no version of model {model!r} served at {self._known.isoformat()}")
        return served

    def _served(self, model: str) -> int | None:
        moves = [move for move in self._registry.log(model, PRODUCTION) if self._known and move.at <= self._known]
        return moves[-1].to if moves else None

    def _judged(self, model: str, version: int) -> list[JudgedDay]:
        found = self._store.judged(model, version)
        if self._known is None:
            return found
        return [then for one in found if (then := one.known_at(self._known)) is not None]

    # -- what today's rules say ---------------------------------------------------------------------------------

    def drift(
        self,
        model: str,
        asked: AskedDays = NEWEST,
        *,
        segment: str = "",
        horizon: int = 1,
    ) -> Watched:
        """The verdict on each day of a version's predictions, or on each ``horizon`` days together.

        Parameters
        ----------
        model : str
        asked : AskedDays
            By default the last seven days that have predictions.
        segment : str
            Such as ``carrier=UA``: its days are compared with its own earlier ones.
        horizon : int
            1, or such as 7: the verdict of a day is on it and the six before.

        Raises
        ------
        ModelNotRegistered, VersionNotFound, AliasNotFound, NoBank, NoSuchSegment
        InvalidRequest
            The days aren't in order, or too many.
        """
        number, bank = self._known_version(model, asked)
        self.days.check_segment(model, number, segment)
        days = self.chosen(model, number, asked)
        if segment and horizon > 1:
            raise InvalidRequest("a segment is judged day by day: leave horizon out")
        if segment:
            verdicts = verdicts_of_segment(self.days, bank, model, number, days, segment)
        elif horizon > 1:
            verdicts = verdicts_of_horizon(self.days, bank, model, number, days, horizon)
        else:
            verdicts = self._of_days(model, number, days)
        return Watched(
            model=model, version=number, segment=segment, horizon=horizon, days=self._standing(model, verdicts)
        )

    def _standing(self, model: str, verdicts: Sequence[tuple[date, Verdict]]) -> tuple[WatchedDay, ...]:
        standing, found = Standing(), []
        today = self.today(model)
        for day, verdict in verdicts:
            running = day >= today
            if not running:
                standing = standing.after(verdict)
            lasts = standing.lasts and not running
            found.append(WatchedDay(day=day, verdict=verdict, state=standing.state, running=running, lasts=lasts))
        return tuple(found)

    def today(self, model: str) -> date:
        """The day, UTC, that isn't over yet."""
        progress = self._log.progress(model)
        # A local cloud's clock may have been moved forward, beyond ours.
        ahead = progress.through + timedelta(hours=1) if progress and self._known is None else self._moment
        return max(self._moment, ahead).astimezone(UTC).date()

    @property
    def _moment(self) -> datetime:
        return self._known or self._now

    def _known_version(self, model: str, asked: AskedDays) -> tuple[int, Bank]:
        number = self.version(model, asked.version)
        return number, self._versions.known(model, number)[0]

    def chosen(self, model: str, version: int, asked: AskedDays, most: int = DAYS) -> list[CountedDay]:
        """The days of ``version`` that a question is about: by default the last ``most`` that have predictions.

        Raises
        ------
        InvalidRequest
            The days aren't in order, or too many.
        """
        since = asked.since
        if since is None:
            return self.days.last(model, version, most, asked.until)
        last = asked.until or self.today(model)
        if not since <= last < since + timedelta(days=LONGEST):
            raise InvalidRequest(f"{since} to {last}: expected 1 to {LONGEST} days, the first one not after the last")
        return self.days.counted(model, version, since, last)

    def _of_days(self, model: str, version: int, days: Sequence[CountedDay]) -> list[tuple[date, Verdict]]:
        judge = VersionJudge(self._store, self.days, self._versions, model, version)
        judged = self._judged(model, version)
        return [(one.day, judge.said(one, one.day, judged, self._moment).verdict) for one in days]

    # -- why ----------------------------------------------------------------------------------------------------

    def quality(self, model: str, asked: AskedDays = NEWEST) -> Quality:
        """Shares of missing, unseen, infinite, frozen and outside values, by day and column.

        Raises
        ------
        ModelNotRegistered, VersionNotFound, AliasNotFound, NoBank, InvalidRequest
        """
        number, bank = self._known_version(model, asked)
        usual, columns = usual_shares(bank), []
        for one in self.chosen(model, number, asked):
            profile = one.profile()
            columns += [
                ColumnQuality(day=one.day, feature=feature, rows=profile.rows, shares=shares)
                for feature, shares in beside_usual(profile, usual).items()
            ]
        return Quality(model=model, version=number, columns=tuple(columns))

    def segments(self, model: str, asked: AskedDays = NEWEST) -> Segments:
        """Each declared segment's share of the predictions, now and before, and the verdict on its last day.

        A segment's day is compared with its own earlier days, of which it needs 30. Segments raise no alarm: thirty
        verdicts a day would raise one a day by chance.

        Raises
        ------
        ModelNotRegistered, VersionNotFound, AliasNotFound, NoBank, InvalidRequest
        NoSuchDay
            The version has no predictions on these days.
        """
        number, bank = self._known_version(model, asked)
        days = self.chosen(model, number, asked)
        if not days:
            raise NoSuchDay(f"version {number} of model {model!r} has no predictions on these days")
        first, last = days[0].day - timedelta(days=SEGMENT_DAYS), days[-1].day - timedelta(days=1)
        before = self.days.counted(model, number, first, last)
        outside = [one for one in before if one.day < days[0].day]
        rows, rows_before = (sum(one.profile().rows for one in some) for some in (days, outside))
        found = []
        for segment in self.days.segments(model, number):
            now = sum(one.profile(segment).rows for one in days)
            then = sum(one.profile(segment).rows for one in outside)
            if not now and not then:
                continue
            judge = judge_of(bank, [(one.day, one.profile(segment)) for one in before])
            found.append(
                SegmentShare(
                    segment=segment,
                    rows=now,
                    share=now / max(rows, 1),
                    before=then / rows_before if rows_before else None,
                    verdict=judge.judge(days[-1].profile(segment)),
                )
            )
        return Segments(model=model, version=number, since=days[0].day, until=days[-1].day, segments=tuple(found))

    def explain(self, model: str, day: date, feature: str | None = None, *, version: int | None = None) -> Explanation:
        """All features of a day, the most unusual first, or one with its histogram.

        Raises
        ------
        ModelNotRegistered, VersionNotFound, AliasNotFound, NoBank
        NoSuchDay, NoSuchFeature
        """
        number = self.version(model, version)
        bank, _ = self._versions.known(model, number)
        wanted = _feature(bank, model, feature)
        days = self.days.counted(model, number, day, day)
        if not days:
            last = self.days.last(model, number, 1)
            raise NoSuchDay(
                f"version {number} of model {model!r} has no predictions of {day}"
                + (f". The last day that has some is {last[0].day}" if last else "")
            )
        (counted,) = days
        profile = counted.profile()
        judge = VersionJudge(self._store, self.days, self._versions, model, number)
        judged = self._judged(model, number)
        measured = judge.measured(profile, day, judged)
        shares = beside_usual(profile, usual_shares(bank))
        features = [
            FeatureExplained(
                feature=name,
                importance=bank.importance.get(name),
                findings=measured.get(name, ()),
                shares=shares[name],
                histogram=histogram(bank, profile, name) if name == wanted else None,
            )
            for name in features_of(bank)
            if name in shares and wanted in (None, name)
        ]
        return Explanation(
            model=model,
            version=number,
            day=day,
            verdict=judge.said(counted, day, judged, self._moment).verdict,
            hours={hour: one.rows for hour, one in counted.hours().items()},
            features=tuple(sorted(features, key=lambda one: (-one.score, one.feature))),
        )

    def replay(self, model: str, asked: AskedDays) -> Replay:
        """Each day as it was judged then, and as today's rules judge the rows that it has now.

        Raises
        ------
        ModelNotRegistered, VersionNotFound, AliasNotFound, NoBank, InvalidRequest
        """
        number = self.version(model, asked.version)
        days = self.chosen(model, number, asked)
        judged = self._judged(model, number)
        then = {one.day: (one.counts, after.state) for one, after in zip(judged, stood(judged), strict=True)}
        found = []
        for one in self._standing(model, self._of_days(model, number, days)):
            said, state = then.get(one.day, (None, None))
            found.append(
                ReplayedDay(
                    day=one.day,
                    said=said.verdict if said else None,
                    said_at=said.at if said else None,
                    then=state,
                    verdict=one.verdict,
                    now=one.state,
                )
            )
        return Replay(model=model, version=number, days=tuple(found))


def _feature(bank: Bank, model: str, feature: str | None) -> str | None:
    """The column that is asked for: by its name, as ``view.feature``, or ``predictions``."""
    if feature is None:
        return None
    known = features_of(bank)
    name = SCORES if feature in ("predictions", "scores") and feature not in known else feature.replace(".", "__")
    if name not in known and feature not in known:
        raise NoSuchFeature(f"model {model!r} has no column {feature!r}. It has {', '.join(known[:-1])}; predictions")
    return feature if feature in known else name
