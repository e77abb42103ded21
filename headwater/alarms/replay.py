"""Recorded events once more, by any routes and without anybody being told: what people would have heard."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime

from pydantic import AwareDatetime

from headwater.alarms import machine
from headwater.alarms.events import AlarmEvent
from headwater.alarms.machine import Situation
from headwater.alarms.messages import title
from headwater.alarms.routing import Leg, Router
from headwater.alarms.types import Group, Instance, Kind
from headwater.declare.alarms import Alarms
from headwater.values import Value


class Told(Value):
    """A notification that would have been sent."""

    at: AwareDatetime
    group: str
    kind: Kind
    title: str
    receivers: tuple[str, ...]
    firing: int
    resolved: int


class _Replay:
    """Groups and the times at which each is looked at."""

    def __init__(self, declared: Alarms) -> None:
        self._declared, self._router = declared, Router(declared)
        self._groups: dict[str, Group] = {}
        self._legs: dict[str, Leg] = {}
        self._instances: dict[str, dict[str, Instance]] = {}
        self._due: dict[str, datetime] = {}
        self._looks: list[tuple[datetime, str]] = []

    def take(self, event: AlarmEvent) -> None:
        """An event came at its time."""
        for leg in self._router.route(event.all_labels):
            id_ = leg.group_id(event.all_labels)
            known = self._instances.setdefault(id_, {})
            after = machine.observe(event, known.get(event.fingerprint))
            if after is None:
                continue
            known[event.fingerprint] = after
            self._legs[id_] = leg
            before = self._groups.get(id_)
            if before is None:
                self._groups[id_] = Group(id=id_, route=leg.id, labels=leg.group_labels(event.all_labels))
            self._look_at(id_, machine.look_after(before, leg, event.at))

    def run(self, until: datetime) -> Iterator[Told]:
        """Look at every group whose time comes before ``until``."""
        while self._looks and self._looks[0][0] <= until:
            at, id_ = heapq.heappop(self._looks)
            if self._due.get(id_) != at:
                continue
            del self._due[id_]
            leg = self._legs[id_]
            instances = list(self._instances[id_].values())
            sources = [one for known in self._instances.values() for one in known.values()]
            seen = Situation(now=at, leg=leg, instances=instances, inhibit=self._declared.inhibit, sources=sources)
            settled = machine.settle(self._groups[id_], seen)
            self._groups[id_] = settled.group
            if settled.look_at is not None:
                self._look_at(id_, settled.look_at)
            if (notice := settled.notice) is not None:
                yield Told(
                    at=at,
                    group=id_,
                    kind=notice.kind,
                    title=title(notice),
                    receivers=settled.receivers,
                    firing=notice.firing,
                    resolved=notice.resolved,
                )

    def _look_at(self, id_: str, at: datetime) -> None:
        if id_ not in self._due or at < self._due[id_]:
            self._due[id_] = at
            heapq.heappush(self._looks, (at, id_))


def replay(events: Iterable[AlarmEvent], declared: Alarms, *, until: datetime) -> Iterator[Told]:
    """Yield what people would have been told of ``events`` by ``declared``.

    Acknowledgements, mutes and digests of storms are left out: nobody knows what people would have done.
    """
    again = _Replay(declared)
    for event in sorted(events, key=lambda event: (event.at, event.id)):
        yield from again.run(event.at)
        again.take(event)
    yield from again.run(until)
