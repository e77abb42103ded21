"""Compares the age of each view's newest event with the freshness that the view declares."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from pydantic import AwareDatetime

from headwater.clock import Clock, utc_now
from headwater.declare import FeatureView
from headwater.features.online.records import Materialisations
from headwater.storage.table import Table
from headwater.values import Value


class ViewAge(Value):
    """How old a view's newest event is."""

    view: str
    version: str
    """Version of the view's definition."""
    newest_event: AwareDatetime | None
    """Age of the newest event; None if no materialised row was known yet."""
    freshness_seconds: float
    """The largest age that the view declares as fresh."""
    age_seconds: float | None
    late: bool


def is_late(freshness: timedelta | None, newest_event: datetime | None, now: datetime) -> bool:
    """Whether the newest event is older than the declared freshness; False without one."""
    return freshness is not None and (newest_event is None or now - newest_event > freshness)


class Freshness:
    """Looks at the views that declare a freshness, by the records of their materialisations.

    Streamed rows leave no such record: a view that only streaming keeps fresh should declare no freshness.

    Parameters
    ----------
    views : iterable of FeatureView
        As they are declared now.
    registry : Table
        The registry table; one read a view.
    """

    def __init__(self, views: Iterable[FeatureView], registry: Table, *, now: Clock = utc_now) -> None:
        self._views = [view for view in views if view.freshness is not None]
        self._materialisations = Materialisations(registry)
        self._now = now

    def ages(self) -> tuple[ViewAge, ...]:
        """The views' ages. A view that was never materialised has no age, since a stack without data isn't late."""
        now, found = self._now(), []
        for view in self._views:
            record = self._materialisations.newest(view.name, view.version)
            if record is not None and view.freshness is not None:
                newest = record.newest_event
                found.append(
                    ViewAge(
                        view=view.name,
                        version=view.version,
                        newest_event=newest,
                        freshness_seconds=view.freshness.total_seconds(),
                        age_seconds=(now - newest).total_seconds() if newest else None,
                        late=is_late(view.freshness, newest, now),
                    )
                )
        return tuple(found)
