"""The way of an alarm from its labels to receivers: a tree of routes, walked by Alertmanager's rules."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from headwater.declare.alarms import Alarms, Route
from headwater.declare.matchers import Labels, Matcher, all_match
from headwater.declare.on_call import Escalation

ALL_LABELS = "..."
"""In ``group_by``: alarms are grouped by all their labels, so each stands alone."""


@dataclass(frozen=True, kw_only=True)
class Leg:
    """A route with everything that it inherits from those above."""

    id: str
    """Stays the same while the path of matchers to the route does."""
    path: tuple[tuple[Matcher, ...], ...]
    """Matchers of the route and of all above, the root's first."""
    receivers: tuple[str, ...]
    group_by: tuple[str, ...]
    group_wait: timedelta
    group_interval: timedelta
    repeat_interval: timedelta
    recovery_interval: timedelta
    escalation: Escalation | None = None
    ack_reminder: timedelta | None = None
    route: Route

    @property
    def words(self) -> str:
        """The route's matchers as people read them."""
        return " > ".join("{" + ", ".join(map(str, matchers)) + "}" for matchers in self.path)

    def group_labels(self, labels: Labels) -> dict[str, str]:
        """Labels that the group of an alarm with ``labels`` has."""
        if ALL_LABELS in self.group_by:
            return dict(labels)
        return {name: labels[name] for name in sorted(self.group_by) if name in labels}

    def group_id(self, labels: Labels) -> str:
        """Id of the group that an alarm with ``labels`` belongs to: the same for the same route and group labels."""
        return digest(self.id, *(f"{name}\0{value}" for name, value in sorted(self.group_labels(labels).items())))


class Router:
    """The routes of a stack, with what each inherits."""

    def __init__(self, declared: Alarms) -> None:
        self._declared = declared
        self.legs = {leg.id: leg for leg in self._legs(declared.route, None, ())}

    def route(self, labels: Labels) -> tuple[Leg, ...]:
        """The routes that an alarm takes: the deepest match, the first one unless it says ``continue_``.

        The route tree's root takes whatever nothing below takes.
        """
        return tuple(self.legs[digest_of(path)] for path in self._match(self._declared.route, (), labels))

    def explain(self, labels: Labels) -> Iterator[tuple[int, Leg, bool, bool]]:
        """Every route that was looked at: its depth, the route, whether it matched, and whether it took the alarm."""
        taken = {leg.id for leg in self.route(labels)}
        yield from self._explained(self._declared.route, (), labels, taken)

    def _explained(
        self, route: Route, above: tuple[tuple[int, Route], ...], labels: Labels, taken: set[str], place: int = 0
    ) -> Iterator[tuple[int, Leg, bool, bool]]:
        path = (*above, (place, route))
        matched = all_match(route.match, labels)
        leg = self.legs[digest_of(path)]
        yield len(above), leg, matched, matched and leg.id in taken
        if not matched:
            return
        for number, child in enumerate(route.routes):
            yield from self._explained(child, path, labels, taken, number)
            if not child.continue_ and all_match(child.match, labels):
                return

    def _match(
        self, route: Route, above: tuple[tuple[int, Route], ...], labels: Labels, place: int = 0
    ) -> list[tuple[tuple[int, Route], ...]]:
        if not all_match(route.match, labels):
            return []
        path = (*above, (place, route))
        found: list[tuple[tuple[int, Route], ...]] = []
        for number, child in enumerate(route.routes):
            below = self._match(child, path, labels, number)
            found += below
            if below and not child.continue_:
                break
        return found or [path]

    def _legs(
        self, route: Route, parent: Leg | None, above: tuple[tuple[int, Route], ...], place: int = 0
    ) -> Iterator[Leg]:
        path = (*above, (place, route))
        inherited = parent or ROOT
        leg = Leg(
            id=digest_of(path),
            path=tuple(tuple(entry.match) for _, entry in path),
            receivers=route.receivers or inherited.receivers,
            group_by=inherited.group_by if route.group_by is None else route.group_by,
            group_wait=inherited.group_wait if route.group_wait is None else route.group_wait,
            group_interval=route.group_interval or inherited.group_interval,
            repeat_interval=route.repeat_interval or inherited.repeat_interval,
            recovery_interval=(
                inherited.recovery_interval if route.recovery_interval is None else route.recovery_interval
            ),
            escalation=route.escalation or inherited.escalation,
            ack_reminder=route.ack_reminder or inherited.ack_reminder,
            route=route,
        )
        yield leg
        for number, child in enumerate(route.routes):
            yield from self._legs(child, leg, path, number)


ROOT = Leg(
    id="",
    path=(),
    receivers=(),
    group_by=("alarmname",),
    group_wait=timedelta(seconds=30),
    group_interval=timedelta(minutes=5),
    repeat_interval=timedelta(hours=4),
    recovery_interval=timedelta(0),
    route=Route(),
)
"""Alertmanager's defaults, and groups by the alarm's name."""


def digest_of(path: tuple[tuple[int, Route], ...]) -> str:
    """Id of the route at the end of ``path``.

    Routes with the same matchers below one parent are told apart by their number among these, so that a route that is
    added elsewhere changes no id.
    """
    words = []
    for depth, (place, route) in enumerate(path):
        before = path[depth - 1][1].routes[:place] if depth else ()
        same = sum(other.match == route.match for other in before)
        words.append("{" + ",".join(sorted(map(str, route.match))) + "}" + str(same))
    return digest(*words)


def digest(*parts: str) -> str:
    """Sixteen hexadecimal digits for ``parts``."""
    return hashlib.sha256("\x01".join(parts).encode("utf-8", "replace")).hexdigest()[:16]


def fingerprint(labels: Mapping[str, str]) -> str:
    """Hash of the sorted labels: the same for the same labels, whatever their order."""
    return digest(*(f"{name}\0{value}" for name, value in sorted(labels.items())))
