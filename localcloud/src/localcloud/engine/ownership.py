"""Who owns what the cloud has: no two resources of the states in one cloud may be the same thing in it.

Some creations are idempotent: a bucket, a queue, a topic or a setting that is there already is handed out once more.
A resource that came to be like this has adopted what another one owns, and would lose it when the other one goes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from localcloud.engine.state import PROVIDER_TYPE, ResourceState
from localcloud.engine.state_snapshot import StateSnapshot
from localcloud.provider import LocalProvider, ProviderError, resource_type
from localcloud.provider.resource import Call
from localcloud.provider.values import Properties

Key = tuple[str, ...]


@dataclass(frozen=True)
class Neighbour:
    """A resource of another stack's state, in the same cloud."""

    stack: str
    """``<project>/<stack>``."""
    state: ResourceState


class Ownership:
    """Refuses what would take over another resource's thing, and spares what another resource has.

    Parameters
    ----------
    snapshot : StateSnapshot
        The resources of the stack that is deployed.
    neighbours : callable
        Reads the resources of the other stacks' states; called once, before the first creation or deletion.
    """

    def __init__(self, snapshot: StateSnapshot, neighbours: Callable[[], Iterable[Neighbour]]) -> None:
        self._snapshot = snapshot
        self._read = neighbours
        self._others: list[Neighbour] | None = None
        self._lock = threading.Lock()
        self._claimed: dict[tuple[str, Key], str] = {}
        self._sparing = threading.Lock()
        self._released: list[ResourceState] = []

    def claim(self, urn: str, token: str, inputs: Properties, provider: LocalProvider) -> ResourceState | None:
        """Take the name of a resource that is about to be made.

        Returns
        -------
        ResourceState or None
            What has the name and only waits for its deletion since an earlier deployment: delete it first.

        Raises
        ------
        ProviderError
            Another live resource has it. Nothing was changed.
        """
        kind = resource_type(token)
        key = kind.claim(Call(provider.aws, kind.service, inputs))
        if key is None:
            return None
        region = inputs.get("region", provider.aws.region)
        with self._lock:
            first = self._claimed.setdefault((token, (region, *key)), urn)
        if first != urn:
            raise ProviderError(_taken(key[0], f'"{_name(first)}"'))
        waiting = None
        for other, where in self._all(token):
            if where is None and other.urn == urn and not other.delete:
                continue  # a change of it, or its replacement, which `replaces_itself` decides on
            if _region(other, region) != region or (other.retain_on_delete and where is None):
                continue
            if kind.claim(Call(provider.aws, kind.service, other.plain_inputs)) != key:
                continue
            if where is None and self._snapshot.condemned(other):
                waiting = other
                continue
            raise ProviderError(_taken(key[0], _who(other, where)))
        return waiting

    def replaces_itself(self, old: ResourceState, inputs: Properties, provider: LocalProvider) -> bool:
        """Whether the replacement has the name of what it replaces: the old one must go first."""
        kind = resource_type(old.type)
        key = kind.claim(Call(provider.aws, kind.service, inputs))
        return key is not None and key == kind.claim(Call(provider.aws, kind.service, old.plain_inputs))

    def check(self, made: ResourceState) -> None:
        """See that what came back from the cloud is no other live resource's.

        Raises
        ------
        ProviderError
            It is. The other resource keeps it: nothing may be deleted now.
        """
        for other, where in self._sharing(made):
            if not (where is None and other.retain_on_delete):
                raise ProviderError(_taken(made.id, _who(other, where)))

    def spared(self, state: ResourceState) -> bool:
        """Whether deleting ``state`` would take what another live resource has, as in states of earlier versions.

        Of two that go at the same time, one is spared; what both have goes with the other.
        """
        with self._sparing:
            if spared := any(True for _ in self._sharing(state)):
                self._released.append(state)
            return spared

    def _sharing(self, state: ResourceState) -> Iterator[tuple[ResourceState, str | None]]:
        kind = resource_type(state.type)
        key = kind.holds(state.id, state.plain_inputs)
        region = _region(state, "")
        for other, where in self._all(state.type) if key else ():
            mine = where is None and (other is state or (other.urn == state.urn and other.delete == state.delete))
            mine = mine or any(other is released for released in self._released)
            if mine or other.id != state.id or _region(other, region) != region:
                continue
            if kind.holds(other.id, other.plain_inputs) == key:
                yield other, where

    def _all(self, token: str) -> Iterator[tuple[ResourceState, str | None]]:
        for state in self._snapshot.resources():
            if state.type == token and _owned(state):
                yield state, None
        for neighbour in self._neighbours():
            if neighbour.state.type == token:
                yield neighbour.state, neighbour.stack

    def _neighbours(self) -> list[Neighbour]:
        with self._lock:
            if self._others is None:
                self._others = [each for each in self._read() if _owned(each.state)]
            return self._others


def _owned(state: ResourceState) -> bool:
    return state.custom and not state.external and not state.type.startswith(PROVIDER_TYPE)


def _region(state: ResourceState, default: str) -> str:
    found = state.outputs.get("region")
    return found if isinstance(found, str) else default


def _name(urn: str) -> str:
    return urn.split("::", 3)[3]


def _who(other: ResourceState, where: str | None) -> str:
    return f'"{other.name}"' if where is None else f'"{other.name}" of the stack {where}'


def _taken(name: str, owner: str) -> str:
    return (
        f"{name!r} belongs to {owner}, and one of the two would be deleted with the other: nothing was changed. Give "
        "it another name; to rename the resource of the program, name the old one in its option `aliases`"
    )
