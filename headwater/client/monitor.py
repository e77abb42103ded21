"""Watching models: how each is, since when and why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING

from headwater.client.connection import Connection, Verbs
from headwater.client.errors import needed
from headwater.client.scrape_tokens import Tokens
from headwater.monitoring.asked_days import AskedDays

if TYPE_CHECKING:
    from headwater.monitoring.answers import Explanation, ModelStatus, Quality, Replay, Segments, Watched
    from headwater.monitoring.performance.answers import By, ErrorsAnswer, PerformanceAnswer
    from headwater.monitoring.performance.asking import Asking
    from headwater.monitoring.watching import Watching


class Monitor(Verbs):
    """The verbs on watching; ``headwater.connect().monitor``.

    Each answer has ``frame()``, a pandas frame of it, and but for `statuses` ``plot()``, a matplotlib figure where
    matplotlib is installed. With ``as_of`` an answer is what was known and said at that moment.

    Attributes
    ----------
    tokens : Tokens
        Tokens by which Prometheus reads the metrics: create, list, revoke.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.tokens = Tokens(connection)

    def openmetrics(self, *, since: datetime | None = None, until: datetime | None = None) -> Iterator[str]:
        """Lines of OpenMetrics with times, for ``promtool tsdb create-blocks-from openmetrics``.

        Parameters
        ----------
        since, until : datetime, optional
            With their time zones; ``until`` itself isn't part of it.
        """
        from headwater.monitoring.dashboards.openmetrics import between, history

        with needed("statuses are read with NumPy's types"):
            from headwater.monitoring.dashboards.store import Statuses

            samples = list(between(Statuses(self._connection.table).samples(), since, until))
        return history(samples)

    def statuses(self, *, as_of: datetime | None = None) -> tuple[ModelStatus, ...]:
        """How each registered model is by the last hourly look, by name.

        Parameters
        ----------
        as_of : datetime, optional
            A moment, with its time zone.
        """
        with self._watching(as_of) as watching:
            return watching.statuses()

    def status(self, model: str, *, as_of: datetime | None = None) -> ModelStatus:
        """How a model is by the last hourly look, and what was said of its last thirty days.

        Parameters
        ----------
        model : str
        as_of : datetime, optional
            A moment, with its time zone.

        Raises
        ------
        ModelNotRegistered
        """
        with self._watching(as_of) as watching:
            return watching.status(model)

    def drift(
        self,
        model: str,
        *,
        version: int | None = None,
        since: date | None = None,
        until: date | None = None,
        segment: str = "",
        horizon: int = 1,
        as_of: datetime | None = None,
    ) -> Watched:
        """The verdict on each day of a version's predictions: one p-value a day, and the features that explain it.

        Parameters
        ----------
        model : str
        version : int, optional
            By default the one that serves.
        since, until : date, optional
            First and last day, UTC, by the predictions' ``as_of``; by default the last seven that have predictions.
        segment : str
            Such as ``carrier=UA``, of a declared column.
        horizon : int
            7: the verdict of a day is on it and the six before.
        as_of : datetime, optional
            Only what was received before this moment counts.

        Raises
        ------
        ModelNotRegistered, VersionNotFound, AliasNotFound, NoSuchSegment
        NoBank
            The version was trained before training kept profiles of its days.
        InvalidRequest
            The days aren't in order, or more than 400.
        """
        with self._watching(as_of) as watching:
            return watching.drift(model, AskedDays(version, since, until), segment=segment, horizon=horizon)

    def quality(
        self, model: str, *, version: int | None = None, since: date | None = None, until: date | None = None
    ) -> Quality:
        """The shares of missing, unseen, infinite, frozen and outside values by day and column, beside usual ones.

        The parameters and errors are those of `drift`.
        """
        with self._watching() as watching:
            return watching.quality(model, AskedDays(version, since, until))

    def segments(
        self, model: str, *, version: int | None = None, since: date | None = None, until: date | None = None
    ) -> Segments:
        """Each declared segment's share of the predictions, now and before, and a verdict that raises no alarm.

        The parameters and errors are those of `drift`; raises `NoSuchDay` if there are no predictions.
        """
        with self._watching() as watching:
            return watching.segments(model, AskedDays(version, since, until))

    def explain(self, model: str, day: date, feature: str | None = None, *, version: int | None = None) -> Explanation:
        """All features of a day, the most unusual first; or one with its histogram beside the reference's.

        Parameters
        ----------
        model : str
        day : date
            UTC, by the predictions' ``as_of``.
        feature : str, optional
            A column, ``view.feature``, or ``predictions``.
        version : int, optional
            By default the one that serves.

        Raises
        ------
        ModelNotRegistered, VersionNotFound, AliasNotFound, NoBank, NoSuchDay, NoSuchFeature
        """
        with self._watching() as watching:
            return watching.explain(model, day, feature, version=version)

    def replay(
        self, model: str, since: date, until: date, *, version: int | None = None, as_of: datetime | None = None
    ) -> Replay:
        """Each day as it was judged then, and as today's rules judge it; and how many alarms each would have been.

        The parameters and errors are those of `drift`.
        """
        with self._watching(as_of) as watching:
            return watching.replay(model, AskedDays(version, since, until))

    def performance(
        self,
        model: str,
        version: int | None = None,
        since: date | None = None,
        until: date | None = None,
        segment: str = "",
        as_of: datetime | None = None,
        *,
        by: By = "day",
    ) -> PerformanceAnswer:
        """How good a version was: realised by labels and estimated without, beside its held-out rows.

        Parameters
        ----------
        model, version, since, until, segment, as_of
            As in `drift`; by default the last 28 days by week. Of labels, too, only those that were received count.
        by : {"day", "week"}
            Weeks begin on Monday.

        Raises
        ------
        ModelNotRegistered, VersionNotFound, AliasNotFound, NoSuchSegment
        NoBank, NoDefinition
            The version was trained before training kept its score bins, or how it was declared.
        NoSuchDay
            The version has no predictions on these days.
        InvalidRequest
            The days aren't in order, or more than 400; ``as_of`` has no time zone.
        """
        with self._asking(model, as_of) as asking:
            return asking.performance(AskedDays(version, since, until), segment=segment, by=by)

    def errors(
        self,
        model: str,
        version: int | None = None,
        since: date | None = None,
        until: date | None = None,
        *,
        beside: int | None = None,
        as_of: datetime | None = None,
    ) -> ErrorsAnswer:
        """The slices of labelled predictions that lose most.

        Parameters
        ----------
        model, version, since, until, as_of
            As in `performance`, which raises the same errors.
        beside : int, optional
            Another version: the same slices among its predictions of the same days.
        """
        with self._asking(model, as_of) as asking:
            return asking.errors(AskedDays(version, since, until), beside=beside)

    @contextmanager
    def _asking(self, model: str, as_of: datetime | None) -> Iterator[Asking]:
        with _watched():
            from headwater.monitoring.stack import asking

            with asking(self._connection.places, model, as_of) as found:
                yield found

    @contextmanager
    def _watching(self, as_of: datetime | None = None) -> Iterator[Watching]:
        with _watched():
            from headwater.monitoring.stack import watching

            yield watching(self._connection.places, as_of)


def _watched() -> AbstractContextManager[None]:
    return needed("models are watched by NumPy and pandas, from predictions that DuckDB reads")
