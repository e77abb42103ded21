"""The stack's resources while a deployment runs: what was there, what is there by now, and what must still go."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from localcloud.engine.state import ResourceState


class StateSnapshot:
    """Old and new resources; every change of it is saved before the call returns.

    Saving is shared: changes that come while the state is being written are written together next.

    Parameters
    ----------
    old : sequence of ResourceState
        The state that the deployment starts from.
    write : callable
        Saves (resources, pending creations); None in a preview.
    """

    def __init__(
        self,
        old: Sequence[ResourceState],
        write: Callable[[list[ResourceState], list[ResourceState]], None] | None,
    ) -> None:
        self._write = write
        self._condition = threading.Condition()
        self._old = {resource.urn: resource for resource in old if not resource.delete}
        self._leaving = [resource for resource in old if resource.delete]
        self._condemned = list(self._leaving)
        self._new: dict[str, ResourceState] = {}
        self._pending: dict[str, ResourceState] = {}
        self._order = {resource.urn: index for index, resource in enumerate(old)}
        self._wanted = self._written = 0
        self._writing = False

    def old(self, urn: str, aliases: Sequence[str] = ()) -> ResourceState | None:
        """The resource as it was; one known by an alias is renamed at once, also where others name it."""
        with self._condition:
            for known in (urn, *aliases):
                if known in self._old:
                    if known != urn:
                        self._rename(known, urn)
                    return self._old[urn]
            return None

    def new(self, urn: str) -> ResourceState | None:
        """The resource as this deployment left it; None if it wasn't registered."""
        with self._condition:
            return self._new.get(urn)

    def known(self) -> list[ResourceState]:
        """The resources that the deployment starts from, but those that only wait for their deletion."""
        with self._condition:
            return list(self._old.values())

    def found(self, resource: ResourceState, now: ResourceState | None) -> None:
        """A resource that the deployment starts from is another by now, or gone (None)."""
        with self._condition:
            if now is None:
                del self._old[resource.urn]
            else:
                self._old[resource.urn] = now
        self._save()

    def begin(self, resource: ResourceState) -> None:
        """A creation starts: if the process ends before it does, the state tells."""
        with self._condition:
            self._pending[resource.urn] = resource
        self._save()

    def settle(self, resource: ResourceState, *, leaving: ResourceState | None = None, save: bool = True) -> None:
        """The resource is as given; ``leaving`` is what it replaced and must still be deleted."""
        with self._condition:
            self._pending.pop(resource.urn, None)
            self._new[resource.urn] = resource
            if leaving is not None:
                self._leaving.append(replace(leaving, delete=True))
        if save:
            self._save()

    def fail(self, urn: str) -> None:
        """A creation failed: nothing came to be."""
        with self._condition:
            self._pending.pop(urn, None)
        self._save()

    def forget(self, resource: ResourceState) -> None:
        """The resource is deleted."""
        with self._condition:
            self._leaving = [other for other in self._leaving if other is not resource]
            if self._old.get(resource.urn) is resource:
                del self._old[resource.urn]
        self._save()

    def condemned(self, resource: ResourceState) -> bool:
        """Whether an earlier deployment replaced the resource and didn't come to delete it: nothing needs it now."""
        return any(resource is other for other in self._condemned)

    def unregistered(self) -> list[list[ResourceState]]:
        """What must be deleted now, replaced or no longer wanted: in waves, of which none needs what goes before it."""
        with self._condition:
            dropped = [resource for urn, resource in self._old.items() if urn not in self._new]
            return _waves(sorted([*self._leaving, *dropped], key=lambda item: -self._order[item.urn]))

    def dependents(self, urn: str) -> list[ResourceState]:
        """Old resources, not yet registered anew, of which a property depends on that one."""
        with self._condition:
            return [
                resource
                for resource in self._old.values()
                if resource.urn not in self._new
                and any(urn in urns for urns in resource.property_dependencies.values())
            ]

    def resources(self) -> list[ResourceState]:
        """All that exists by now, in an order in which nothing comes before what it depends on."""
        with self._condition:
            return self._resources()

    def _resources(self) -> list[ResourceState]:
        untouched = [resource for urn, resource in self._old.items() if urn not in self._new]
        return [*self._new.values(), *self._leaving, *untouched]

    def _rename(self, known: str, urn: str) -> None:
        def renamed(resource: ResourceState) -> ResourceState:
            return replace(
                resource,
                urn=urn if resource.urn == known else resource.urn,
                parent=urn if resource.parent == known else resource.parent,
                dependencies=[urn if other == known else other for other in resource.dependencies],
                property_dependencies={
                    name: [urn if other == known else other for other in urns]
                    for name, urns in resource.property_dependencies.items()
                },
            )

        self._order[urn] = self._order[known]
        self._old = {item.urn: item for item in (renamed(resource) for resource in self._old.values())}

    def _save(self) -> None:
        if self._write is None:
            return
        with self._condition:
            self._wanted += 1
            mine = self._wanted
            while self._written < mine:
                if self._writing:
                    self._condition.wait()
                    continue
                self._writing, upto = True, self._wanted
                resources, pending = self._resources(), list(self._pending.values())
                self._condition.release()
                try:
                    self._write(resources, pending)
                finally:
                    self._condition.acquire()
                    self._writing = False
                    self._condition.notify_all()
                self._written = upto


def _waves(resources: list[ResourceState]) -> list[list[ResourceState]]:
    """The same resources, each in an earlier wave than all that it depends on."""
    waves: list[list[ResourceState]] = []
    waiting = list(resources)
    while waiting:
        needed = {urn for resource in waiting for urn in resource.needs() - {resource.urn}}
        free = [resource for resource in waiting if resource.urn not in needed]
        if not free:
            # A circle, which Pulumi never writes: the order of creation decides.
            return [*waves, *([resource] for resource in waiting)]
        waves.append(free)
        waiting = [resource for resource in waiting if resource.urn in needed]
    return waves
