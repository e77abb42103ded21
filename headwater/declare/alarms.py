"""Declarations of a project's ``alarms.py``: receivers, a tree of routes, and alarms that silence others."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from headwater.declare.base import Declaration, InvalidProduct
from headwater.declare.matchers import LABEL_NAME, Matchers
from headwater.declare.on_call import RETRAIN, Escalation, Heartbeat, Ping, ReceiverName, Step
from headwater.declare.receivers import (
    Alertmanager,
    AnyReceiver,
    ConfiguredWebhook,
    Email,
    EventBus,
    Opsgenie,
    PagerDuty,
    Receiver,
    Retrain,
    Slack,
    Teams,
    Webhook,
)
from headwater.declare.times import Duration, OptionalDuration

__all__ = [
    "Alarms",
    "Alertmanager",
    "ConfiguredWebhook",
    "Email",
    "Escalation",
    "EventBus",
    "Heartbeat",
    "Inhibit",
    "Opsgenie",
    "PagerDuty",
    "Ping",
    "Receiver",
    "Retrain",
    "Route",
    "Slack",
    "Step",
    "Teams",
    "Webhook",
]

FILE = "alarms.py"
"""The file in a project's root that declares ``alarms = Alarms(...)``."""

if TYPE_CHECKING:

    class _Wait:
        """Given as text, such as ``"30s"`` or ``"0s"``; None inherits."""

        def __get__(self, instance: object, owner: Any = None) -> timedelta | None: ...
        def __set__(self, instance: object, value: str | None) -> None: ...

else:
    _DURATION = TypeAdapter(Duration)

    def _wait(given: Any) -> Any:
        return timedelta(0) if given in ("0s", "PT0S", timedelta(0)) else _DURATION.validate_python(given)

    _Wait = Annotated[timedelta, BeforeValidator(_wait)] | None


class Route(Declaration):
    """A branch of the tree. What isn't given is the parent's; the root has Alertmanager's defaults."""

    match: Matchers = ()
    """Conditions that must all hold, such as ``['severity="critical"', 'model=~"flight.*"']``."""
    receivers: tuple[ReceiverName, ...] = ()
    """Names of receivers; none: the parent's."""
    continue_: bool = False
    """Whether the routes after this one are looked at although it matched."""
    group_by: tuple[str, ...] | None = None
    """Labels that a group shares; ``("...",)`` groups by all labels, ``()`` puts all into one group."""
    group_wait: _Wait = None  # type: ignore[assignment]
    """How long a new group waits for more alarms before it is told. Alertmanager's default is 30 s."""
    group_interval: OptionalDuration = None  # type: ignore[assignment]
    """How long a group that was told waits until it tells of more; 5 minutes."""
    repeat_interval: OptionalDuration = None  # type: ignore[assignment]
    """After how long a group that still fires is told again; 4 hours."""
    recovery_interval: _Wait = None  # type: ignore[assignment]
    """Within how long at most one recovery of a group is told; a later one once it has lasted. 0, so each is."""
    escalation: Escalation | None = None
    """Receivers that are told while nobody acknowledges; None inherits."""
    ack_reminder: OptionalDuration = None  # type: ignore[assignment]
    """How often the receivers are reminded of a group that somebody acknowledged and that still fires; by default
    never."""
    routes: tuple[Route, ...] = ()
    """Branches below this one, looked at in order."""

    @model_validator(mode="after")
    def _check(self) -> Route:
        for name in self.group_by or ():
            if name != "..." and not LABEL_NAME.fullmatch(name):
                raise ValueError(f"group_by {name!r} is no label: write names such as 'model', or '...' for all")
        if self.group_by and "..." in self.group_by and len(self.group_by) > 1:
            raise ValueError("group_by '...' means all labels: leave out the others")
        if len(set(self.group_by or ())) != len(self.group_by or ()):
            raise ValueError(f"group_by {self.group_by} names a label twice")
        return self


class Inhibit(Declaration):
    """While an alarm that `source` matches fires, alarms that `target` matches aren't told.

    As in Alertmanager both must have the same values of the labels in `equal`, and an alarm that both match silences
    none of the kind.
    """

    source: Matchers = Field(min_length=1)
    """Conditions that the alarm which silences meets."""
    target: Matchers = Field(min_length=1)
    """Conditions that alarms which are silenced meet."""
    equal: tuple[str, ...] = ()
    """Labels whose values both must share."""


class Alarms(Declaration):
    """Everything that a project says about alarms.

    Raises
    ------
    ValueError
        A route leads to a receiver that isn't declared, or fallbacks go round in a circle.
    """

    receivers: tuple[AnyReceiver, ...] = ()
    """Everybody who can be told."""
    route: Route = Route()
    """Root of the tree: takes what no route below takes."""
    inhibit: tuple[Inhibit, ...] = ()
    """Alarms that silence others."""
    storm_groups: Annotated[int, Field(ge=1)] = 10
    """More new groups than these within `storm_within` are told in one digest."""
    runbooks: Annotated[str, StringConstraints(pattern=r"^\S*$")] = "docs/runbooks/"
    """Beginning of the addresses of runbooks in notifications, such as ``https://github.com/…/docs/runbooks/``."""
    storm_within: Duration = timedelta(minutes=10)  # type: ignore[assignment]
    """Span that new groups are counted in."""
    heartbeats: tuple[Heartbeat, ...] = ()
    """Senders that must say regularly that they are alive."""
    pings: tuple[Ping, ...] = ()
    """Addresses outside that are asked regularly, so that somebody else hears when the stack is dead."""

    @model_validator(mode="after")
    def _check(self) -> Alarms:
        named = {name for route in every_route(self.route) for name in route.receivers if name.startswith(RETRAIN)}
        missing = sorted(named - {receiver.name for receiver in self.receivers})
        made = tuple(Retrain(name=name) for name in missing)
        # Frozen for everybody else.
        object.__setattr__(self, "receivers", (*self.receivers, *made))
        names = [receiver.name for receiver in self.receivers]
        _check_once("receiver", names)
        _check_once("heartbeat", [heartbeat.name for heartbeat in self.heartbeats])
        _check_once("ping", [ping.name for ping in self.pings])
        known = f"there are {', '.join(sorted(names))}" if names else "none is declared"
        for route in every_route(self.route):
            for verb, name in _receivers_of(route):
                if name not in names:
                    where = ", ".join(map(str, route.match)) or "the root"
                    raise ValueError(f"the route {{{where}}} {verb} receiver {name!r}: {known}")
        if self.route.match:
            raise ValueError("the root takes every alarm: it has no match; put routes with a match into its routes")
        if self.route.continue_:
            raise ValueError("the root has nothing after it: leave out continue_")
        self._check_fallbacks(known)
        self._check_groups(self.route, (), ())
        return self

    def _check_groups(self, route: Route, receivers: tuple[str, ...], group_by: tuple[str, ...]) -> None:
        """Notifications list the first alarms of a group: another Alertmanager must get each of them."""
        receivers = route.receivers or receivers
        group_by = group_by if route.group_by is None else route.group_by
        steps = route.escalation.steps if route.escalation else ()
        for name in (*receivers, *(name for step in steps for name in step.receivers)):
            if isinstance(self.receiver(name), Alertmanager) and group_by != ("...",):
                raise ValueError(
                    f"a route leads to {name!r}, which is another Alertmanager and groups by itself: give the route "
                    "group_by=('...',)"
                )
        for child in route.routes:
            self._check_groups(child, receivers, group_by)

    def _check_fallbacks(self, known: str) -> None:
        fallbacks = {receiver.name: receiver.fallback for receiver in self.receivers}
        for name in fallbacks:
            seen, here = [name], fallbacks[name]
            while here is not None:
                if here not in fallbacks:
                    raise ValueError(f"receiver {seen[-1]!r} falls back to {here!r}: {known}")
                if here in seen:
                    raise ValueError(f"fallbacks go round in a circle: {' -> '.join([*seen, here])}")
                seen.append(here)
                here = fallbacks[here]

    def receiver(self, name: str) -> AnyReceiver | None:
        """The receiver called ``name``; None if there is none (any more)."""
        return next((receiver for receiver in self.receivers if receiver.name == name), None)

    def heartbeat(self, name: str) -> Heartbeat | None:
        """The heartbeat called ``name``; None if none is expected (any more)."""
        return next((heartbeat for heartbeat in self.heartbeats if heartbeat.name == name), None)


def configured_alarms(*, emails: int, webhooks: int, repeat_interval: timedelta) -> Alarms:
    """Routes of a project without an ``alarms.py``: each alarm alone, at once, to all that the settings name.

    An alarm that comes and goes is told once within ``repeat_interval``, with one recovery: people keep the last word
    "ALARM", never a wrong "OK".
    """
    receivers: list[AnyReceiver] = [Email(name="email")] if emails else []
    receivers += [ConfiguredWebhook(name=f"webhook-{number}", number=number) for number in range(1, webhooks + 1)]
    repeat: Any = repeat_interval
    return Alarms(
        receivers=tuple(receivers),
        route=Route(
            receivers=tuple(receiver.name for receiver in receivers),
            group_by=("...",),
            group_wait="0s",
            group_interval="1s",
            repeat_interval=repeat,
            recovery_interval=repeat,
        ),
    )


def with_retraining(declared: Alarms, models: Iterable[str]) -> Alarms:
    """Routes that bring each model's alarms to its retraining policy too, and everywhere else as before.

    A model whose policy some route leads to already is left to that route.
    """
    known = {name for route in every_route(declared.route) for name in route.receivers}
    routes = tuple(
        Route(
            match=(f'alarmname="model-{model}"',),  # type: ignore[arg-type]
            receivers=(RETRAIN + model,),
            continue_=True,
            group_by=("...",),
            group_wait="0s",
        )
        for model in sorted(models)
        if RETRAIN + model not in known
    )
    if not routes:
        return declared
    # A root takes only what nothing below it takes: the one of before becomes a route of the new one.
    return declared.model_copy(
        update={
            "receivers": (*declared.receivers, *(Retrain(name=name) for one in routes for name in one.receivers)),
            "route": Route(routes=(*routes, declared.route)),
        }
    )


def every_route(route: Route) -> Iterator[Route]:
    """A route and all below it."""
    yield route
    for child in route.routes:
        yield from every_route(child)


def _check_once(kind: str, names: Sequence[str]) -> None:
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{kind} {', '.join(map(repr, repeated))} is declared more than once")


def _receivers_of(route: Route) -> Iterator[tuple[str, str]]:
    yield from (("leads to", name) for name in route.receivers)
    for step in route.escalation.steps if route.escalation else ():
        yield from (("escalates to", name) for name in step.receivers)


def secrets_of(declared: Alarms) -> frozenset[str]:
    """Where the secrets of all receivers and pings are kept."""
    fields = [
        value
        for receiver in (*declared.receivers, *declared.pings)
        for name, value in receiver.model_dump().items()
        if name.endswith("_secret") and value
    ]
    return frozenset(fields)


def load_alarms(root: Path) -> Alarms | None:
    """Routes and receivers that the project's ``alarms.py`` declares; None if there is no such file.

    Raises
    ------
    InvalidProduct
        The file can't be imported, or what it declares is wrong: one line.
    """
    path = root / FILE
    if not path.is_file():
        return None
    try:
        found = runpy.run_path(str(path)).get("alarms")
    except ValidationError as error:
        raise InvalidProduct(f"{FILE}: {'; '.join(map(_words, error.errors()))}") from error
    except Exception as error:
        raise InvalidProduct(f"{FILE} can't be imported: {type(error).__name__}: {error}") from error
    if not isinstance(found, Alarms):
        raise InvalidProduct(f"{FILE} declares no alarms: write alarms = Alarms(receivers=[...], route=Route(...))")
    return found


def _words(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    words = re.sub(r"^Value error, ", "", str(error["msg"]))
    return f"{where}: {words}" if where else words
