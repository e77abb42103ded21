"""Does the online store hold what the offline rows say? For a sample of entities, view by view.

Both stores answer one question: which values were known of an entity at a moment? The moment is when the newest row of
the last materialisation became known. Offline the point-in-time join answers, as for training, from the materialised
data version; online the look-up of a prediction answers. The values must be the same float32, or the same text.

What may differ by right isn't counted as a difference:

* the online item is of a *newer* event: it was streamed, or a later materialisation was faster than this check;
* the event is the same, but a source has data that wasn't materialised yet, rows were streamed since, or another
  materialisation ended during the check: a correction may be under way;
* the online item isn't there, and DynamoDB was free to delete it: its value is past the TTL and the grace time.

Any other online item that is older than the offline row, or isn't there, is a difference whatever else happens: a newer
event never gives way to an older one. So is an item of an event that is yet to come.
An entity that was only streamed belongs to those that the sample is drawn from as soon as its row was committed and
materialised. Until then it is online alone and isn't found: that would take a scan.
"""

# ruff: noqa: S608 - names in SQL are declared by products and quoted
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import duckdb

from headwater.clock import Clock, utc_now
from headwater.declare import Catalog, FeatureView
from headwater.errors import InvalidRequest, NotFound, Refused
from headwater.features.catalog.lineage import sources_of
from headwater.features.definitions import Definition, Definitions
from headwater.features.offline.columns import ASKED, EVENT, KNOWN
from headwater.features.offline.point_in_time import historical
from headwater.features.online.encoding import Known, same
from headwater.features.online.reading import (
    EPOCH,
    OnlineAnswer,
    ReadsItems,
    ValueStatus,
    microseconds,
    plan,
    read_online,
)
from headwater.features.online.records import Materialisation, Materialisations
from headwater.features.online.store import kept_for
from headwater.features.service import Features
from headwater.lake.database import quoted
from headwater.lake.service import Lake
from headwater.lake.types import DataVersion, PinnedCommit, streamed_of
from headwater.registry.types import PackageFeature
from headwater.storage.table import Table
from headwater.values import Value
from headwater.versions.refs import Refs
from headwater.versions.types import MAIN

SAMPLE = 200
"""Entities of a view that are compared."""
SHOWN = 20
"""Differences of a view that are told one by one."""


class Mismatch(Value):
    """One value that differs between the online and the offline store."""

    view: str
    entity: tuple[str, ...]
    feature: str
    online: Known
    """The online value; None if missing."""
    offline: Known
    online_status: str
    online_event: datetime | None
    offline_event: datetime | None

    def __str__(self) -> str:
        return (
            f"{self.view}.{self.feature} of {', '.join(self.entity)}: online {_said(self.online)} "
            f"({self.online_status}, event {self.online_event}), offline {_said(self.offline)} (event "
            f"{self.offline_event})"
        )


class ViewParity(Value):
    """Comparison of a view's sampled online items with its offline rows."""

    view: str
    version: str
    data_version: str
    at: datetime
    """The moment that both sides were asked about."""
    sampled: int
    """Entities with a value within the TTL that were drawn."""
    equal: int
    """Entities that are alike in every feature."""
    newer: int
    """Entities whose online item has a newer event."""
    in_flight: int
    """Entities that differ while a correction may be in progress."""
    deleted: int
    """Entities without an online item, which may have expired."""
    different: int
    mismatches: tuple[Mismatch, ...]
    """At most `SHOWN`."""


class _Outcome(StrEnum):
    EQUAL = "equal"
    NEWER = "newer"
    MAYBE = "maybe"
    """The two differ in the values of the same event."""
    DELETED = "deleted"
    DIFFERENT = "different"


class Parity:
    """The check.

    Parameters
    ----------
    catalog : Catalog
    lake : Lake
    online : OnlineStore
    registry : Table
        The registry table.
    served : callable, optional
        The views and versions of their definitions that serving models look up (`Uses.served`).
    sample : int
        Entities of a view that are compared.
    """

    def __init__(
        self,
        catalog: Catalog,
        lake: Lake,
        online: ReadsItems,
        registry: Table,
        *,
        served: Callable[[], Set[tuple[str, str]]] = frozenset,
        now: Clock = utc_now,
        sample: int = SAMPLE,
    ) -> None:
        self._catalog, self._lake, self._online, self._registry = catalog, lake, online, registry
        self._served, self._now, self._sample = served, now, sample
        self._features, self._materialisations = Features(catalog, lake, now=now), Materialisations(registry)

    def check(self) -> tuple[ViewParity, ...]:
        """Check every declared view that was ever materialised, and older definitions that a serving model looks up.

        Definitions that can't be computed any more are left out, as by materialisations.
        """
        declared = {(view.name, view.version): view for view in self._catalog.views.values()}
        definitions, older = Definitions(self._registry), {}
        for name, version in self._served() - declared.keys():
            with suppress(NotFound, Refused, InvalidRequest):
                older[name, version] = definitions.get(name, version)
        views = [view for _, view in sorted({**declared, **older}.items())]
        return tuple(found for view in views if (found := self.check_view(view)) is not None)

    def check_view(self, view: FeatureView) -> ViewParity | None:
        """Check one definition of a view; None if it was never materialised.

        The sample changes each day and is the same all day for every caller.
        """
        record = self._materialisations.newest(view.name, view.version)
        if record is None:
            return None
        commits = {source: PinnedCommit(commit=commit, revision=1) for source, commit in record.commits.items()}
        version = DataVersion(commits=commits)
        with self._lake.tables(version, self._features.to_read([view], version)) as connection:
            table = self._features.ensure(connection, view, version)
            moment = _newest(connection, table, record.last_at)
            entities = _draw(connection, view, table, moment, self._now(), self._sample)
            offline = _offline(connection, view, table)
        online = self._read(view, entities, moment)
        now = microseconds(self._now())
        compared = [
            (_compare(view, answer, values, event, now), entity, answer, values, event)
            for entity, answer, (values, event) in zip(entities, online, offline, strict=True)
        ]
        counts = {outcome: sum(found[0] is outcome for found in compared) for outcome in _Outcome}
        doubtful = _Outcome.MAYBE if counts[_Outcome.MAYBE] and not self._in_flight(view, record) else None
        mismatches = [
            mismatch
            for outcome, entity, answer, values, event in compared
            if outcome in (_Outcome.DIFFERENT, doubtful)
            for mismatch in _mismatches(view, entity, answer, values, event)
        ]
        maybe = counts[_Outcome.MAYBE]
        return ViewParity(
            view=view.name,
            version=view.version,
            data_version=record.data_version,
            at=moment,
            sampled=len(entities),
            equal=counts[_Outcome.EQUAL],
            newer=counts[_Outcome.NEWER],
            in_flight=0 if doubtful else maybe,
            deleted=counts[_Outcome.DELETED],
            different=counts[_Outcome.DIFFERENT] + (maybe if doubtful else 0),
            mismatches=tuple(mismatches[:SHOWN]),
        )

    def _read(self, view: FeatureView, entities: Sequence[tuple[str, ...]], moment: datetime) -> list[OnlineAnswer]:
        wanted = [PackageFeature.of(view, feature.name) for feature in view.features]
        rows = [dict(zip(view.entity, entity, strict=True)) for entity in entities]
        return read_online(self._online, [lookup for row in plan(wanted, rows) for lookup in row], moment)

    def _in_flight(self, view: FeatureView, record: Materialisation) -> bool:
        """Whether a correction may be in progress; to be called after both stores were read."""
        definition = Definition(version=view.version, view=view, at=record.at)
        if any(source.behind for source in sources_of(self._registry, definition, dict(record.commits))):
            return True
        # In this order: a row that no longer waits was committed or replaced before the branch is read.
        if any(True for _ in self._lake.arrivals.waiting(view.name)):
            return True
        streamed = streamed_of(view.name)
        head = Refs(self._registry, streamed).get("branch", MAIN)
        if head is not None and head.commit != record.commits.get(streamed):
            return True
        return self._materialisations.newest(view.name, view.version) != record


def _newest(connection: duckdb.DuckDBPyConnection, table: str, until: datetime) -> datetime:
    """When the last row became known by ``until``, from when on nothing changes; ``until`` if there is none."""
    ((newest,),) = connection.execute(
        f"SELECT max({KNOWN}) FROM {quoted(table)} WHERE {KNOWN} <= ?", [microseconds(until)]
    ).fetchall()
    return until if newest is None else EPOCH + timedelta(microseconds=newest)


def _draw(
    connection: duckdb.DuckDBPyConnection, view: FeatureView, table: str, moment: datetime, now: datetime, size: int
) -> list[tuple[str, ...]]:
    """Entities that something is known of at ``moment``, in the order of a hash of the day and their key."""
    keys = ", ".join(map(quoted, view.entity))
    drawn = connection.execute(
        f"CREATE OR REPLACE TEMP TABLE __drawn AS SELECT {keys}, max({EVENT}) AS event, make_timestamp(?) AS {ASKED} "
        f"FROM {quoted(table)} WHERE {KNOWN} <= ? GROUP BY {keys} "
        f"HAVING max({EVENT}) >= make_timestamp(?) "
        f"ORDER BY md5(concat_ws('|', ?, {keys})), {keys} LIMIT ?",
        [
            microseconds(moment),
            microseconds(moment),
            microseconds(moment - view.ttl),
            now.strftime("%Y-%m-%d"),
            size,
        ],
    ).execute(f"SELECT {keys} FROM __drawn")
    return [tuple(row) for row in drawn.fetchall()]


def _offline(
    connection: duckdb.DuckDBPyConnection, view: FeatureView, table: str
) -> list[tuple[tuple[Known, ...], datetime]]:
    """For each drawn entity the point-in-time join's values and their event time."""
    references = [f"{view.name}.{feature.name}" for feature in view.features]
    found = historical(connection, "__drawn", {view.name: view}, {view.name: table}, references)
    columns = ", ".join(["event", *(quoted(reference.replace(".", "__")) for reference in references)])
    rows = found.project(columns).fetchall()
    return [(tuple(values), event.replace(tzinfo=UTC)) for event, *values in rows]


def _compare(view: FeatureView, answer: OnlineAnswer, values: Sequence[Known], event: datetime, now: int) -> _Outcome:
    if answer.event_time is not None and answer.event_time > event:
        # An event in the future can't have been written by right.
        return _Outcome.DIFFERENT if microseconds(answer.event_time) > now else _Outcome.NEWER
    if all(same(online, offline) for online, offline in zip(answer.values.values(), values, strict=True)):
        return _Outcome.EQUAL
    if answer.status is ValueStatus.MISSING:
        kept_until = event + timedelta(seconds=kept_for(view))
        return _Outcome.DELETED if microseconds(kept_until) <= now else _Outcome.DIFFERENT
    return _Outcome.MAYBE if answer.event_time == event else _Outcome.DIFFERENT


def _mismatches(
    view: FeatureView,
    entity: tuple[str, ...],
    answer: OnlineAnswer,
    values: Sequence[Known],
    event: datetime,
) -> Iterator[Mismatch]:
    for feature, offline in zip(view.features, values, strict=True):
        online = answer.values.get(feature.name)
        # An item with a future event is always wrong: it would keep out every earlier event.
        if answer.status is ValueStatus.FUTURE or not same(online, offline):
            yield Mismatch(
                view=view.name,
                entity=entity,
                feature=feature.name,
                online=online,
                offline=offline,
                online_status=answer.status.value,
                online_event=answer.event_time,
                offline_event=event,
            )


def _said(value: Known) -> str:
    return "missing" if value is None else repr(value)
