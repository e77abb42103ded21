"""Which provider a resource has: one of the program's own, or the default one made from the stack's settings."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping

from localcloud.engine.goal import Goal, make_urn
from localcloud.engine.state import PROVIDER_TYPE, ResourceState, now
from localcloud.engine.state_snapshot import StateSnapshot
from localcloud.provider import LocalProvider, ProviderError


class Providers:
    """The providers of one deployment, by reference (``<urn>::<id>``, as Pulumi's state has it).

    Parameters
    ----------
    snapshot : StateSnapshot
        Where the default provider is noted, and providers of earlier deployments are found.
    environment : mapping of str to str
        AWS_* variables.
    config : mapping of str to str
        The stack's settings; those under ``aws:`` make the default provider.
    stack, project : str
        Names, for URNs.
    """

    def __init__(
        self,
        snapshot: StateSnapshot,
        environment: Mapping[str, str],
        config: Mapping[str, str],
        *,
        stack: str,
        project: str,
    ) -> None:
        self._snapshot = snapshot
        self._environment = environment
        self._settings = {key.removeprefix("aws:"): value for key, value in config.items() if key.startswith("aws:")}
        self._stack, self._project = stack, project
        self._lock = threading.Lock()
        self._known: dict[str, LocalProvider] = {}

    def of(self, goal: Goal) -> tuple[LocalProvider, str]:
        """The provider that the resource asks for, and its reference."""
        only_aws(goal.type)
        reference = goal.provider or self.default(goal.version)
        return self.at(reference), reference

    def at(self, reference: str) -> LocalProvider:
        """The provider of that reference; one of an earlier deployment is made again from the state."""
        with self._lock:
            if reference not in self._known:
                urn = reference.rsplit("::", 1)[0]
                state = self._snapshot.new(urn) or self._snapshot.old(urn)
                self._known[reference] = LocalProvider(self._environment, state.plain_inputs if state else {})
            return self._known[reference]

    def add(self, state: ResourceState) -> None:
        """Take up a provider that the program made."""
        with self._lock:
            self._known[f"{state.urn}::{state.id}"] = LocalProvider(self._environment, state.plain_inputs)

    def default(self, version: str) -> str:
        """The reference of the provider for resources that name none; it stands in the state as Pulumi's own does."""
        kind = f"{PROVIDER_TYPE}aws"
        urn = make_urn(self._stack, self._project, "", kind, "_".join(["default", *version.split(".")]).rstrip("_"))
        identity = str(uuid.uuid5(uuid.NAMESPACE_URL, urn))
        reference = f"{urn}::{identity}"
        with self._lock:
            if reference not in self._known:
                self._known[reference] = LocalProvider(self._environment, self._settings)
                # Noted before anybody gets it: in the state a provider stands before the resources that it made.
                self._note(urn, kind, identity, version)
        return reference

    def _note(self, urn: str, kind: str, identity: str, version: str) -> None:
        inputs = {**self._settings, **({"version": version} if version else {})}
        old, moment = self._snapshot.old(urn), now()
        created, modified = (old.created, old.modified) if old else (moment, moment)
        state = ResourceState(urn, kind, True, identity, inputs, inputs, created=created, modified=modified)
        self._snapshot.settle(state, save=False)


def only_aws(token: str) -> None:
    """Refuse types and functions of other packages."""
    package = token.split(":")[0]
    if package != "aws":
        raise ProviderError(f"the embedded engine has the provider of aws only, not of {package!r} ({token})")
