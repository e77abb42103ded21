"""Routes as people ask for them: the branches that an alarm with some labels takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headwater.alarms.routing import Router
from headwater.declare.alarms import Alarms
from headwater.declare.matchers import LABEL_NAME
from headwater.errors import InvalidRequest
from headwater.values import Value


class RouteView(Value):
    """A route that was looked at for an alarm."""

    depth: int
    matchers: str
    matched: bool
    taken: bool
    receivers: tuple[str, ...]
    """Receivers that a taken route leads to, given or inherited."""
    group_by: tuple[str, ...]


def explain_routes(declared: Alarms, labels: Mapping[str, str]) -> tuple[RouteView, ...]:
    """The routes of ``declared`` that are looked at for an alarm with ``labels``, and those that take it."""
    router = Router(declared)
    return tuple(
        RouteView(
            depth=depth,
            matchers=", ".join(map(str, leg.route.match)) or "the root",
            matched=matched,
            taken=taken,
            receivers=leg.receivers if taken else (),
            group_by=leg.group_by if taken else (),
        )
        for depth, leg, matched, taken in router.explain(labels)
    )


def labels_of(pairs: Sequence[str]) -> dict[str, str]:
    """Labels written as ``name=value``; raises `InvalidRequest`."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not LABEL_NAME.fullmatch(name):
            raise InvalidRequest(f"{pair!r} is no label: write LABEL=VALUE, such as severity=critical")
        if name in found:
            raise InvalidRequest(f"{pair!r}: {name} is {found[name]!r} already; an alarm has each label once")
        found[name] = value
    return found
