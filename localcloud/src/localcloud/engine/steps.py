"""The steps of a deployment: compare what is wanted with what is there, and bring it about.

The order of events follows Pulumi's engine: a replacement is made before the old resource goes, unless its name or the
program forbids it; whatever is no longer wanted goes at the end, dependents first.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from localcloud.engine.comparing import checked, difference, new_state
from localcloud.engine.errors import DeployError
from localcloud.engine.events import OnEvent, Operation, ResourceEvent
from localcloud.engine.goal import Goal
from localcloud.engine.inputs import ignoring
from localcloud.engine.ownership import Neighbour, Ownership
from localcloud.engine.providers import Providers, only_aws
from localcloud.engine.refresh import look_anew, what_moved
from localcloud.engine.state import PROVIDER_TYPE, STACK_TYPE, ResourceState
from localcloud.engine.state_snapshot import StateSnapshot
from localcloud.provider import LocalProvider, PartialFailure, ProviderError, State
from localcloud.provider.resource import Diff
from localcloud.provider.values import UNKNOWN, Properties, plain

_DELETIONS = 8  # at a time, as are looks at resources


class Stopped(Exception):
    """Another resource failed: nothing new is begun."""


class Steps:
    """Takes registrations from the program, from many threads at once, and turns each into a step.

    Parameters
    ----------
    snapshot : StateSnapshot
        What is there.
    environment : mapping of str to str
        AWS_* variables, for providers.
    config : mapping of str to str
        The stack's settings; those under ``aws:`` make the default provider.
    stack, project : str
        Names, for URNs.
    preview : bool
        Say what would be done, and do nothing.
    on_event : callable
        Told of each step.
    neighbours : callable
        Reads the resources of the other stacks of the cloud.
    """

    def __init__(
        self,
        snapshot: StateSnapshot,
        environment: Mapping[str, str],
        config: Mapping[str, str],
        *,
        stack: str,
        project: str,
        preview: bool,
        on_event: OnEvent,
        neighbours: Callable[[], Iterable[Neighbour]] = tuple,
    ) -> None:
        self.snapshot = snapshot
        self.preview = preview
        self.changes: Counter[str] = Counter()
        self.outputs: Properties = {}
        self.failure: DeployError | None = None
        self._on_event = on_event
        self._lock = threading.Lock()
        self._seen: set[str] = set()
        self._cleared: set[str] = set()  # deleted ahead of a replacement: their own registration creates them anew
        self._ownership = Ownership(snapshot, neighbours)
        self._providers = Providers(snapshot, environment, config, stack=stack, project=project)

    # --- registrations -----------------------------------------------------------------------------------------------

    def register(self, goal: Goal) -> ResourceState:
        """Bring the resource to its goal; raises `Stopped` if it failed, or anything before it did."""
        if self.failure is not None:
            raise Stopped
        with self._lock:
            duplicate = goal.urn in self._seen
            self._seen.add(goal.urn)
        try:
            if duplicate:
                raise ProviderError("two resources of the program have this name and type")
            if not goal.custom:
                return self._component(goal)
            if goal.type.startswith(PROVIDER_TYPE):
                return self._provider_resource(goal)
            return self._custom(goal)
        except (ProviderError, ValueError, OSError) as error:
            raise self._failed(goal.urn, str(error)) from error
        except Stopped:
            raise
        except Exception as error:
            # A mistake of the provider's own must stop the deployment as clearly as a refusal of the cloud.
            raise self._failed(goal.urn, f"{type(error).__name__}: {error}") from error

    def register_outputs(self, urn: str, outputs: Properties) -> None:
        """Note what a component says of itself; the stack's outputs are the deployment's."""
        component = self.snapshot.new(urn)
        if component is None:
            return
        if component.type == STACK_TYPE:
            self.outputs = plain(outputs)
        self.snapshot.settle(replace(component, outputs=outputs), save=component.outputs != outputs)

    def read(self, goal: Goal, identity: str) -> ResourceState:
        """Look up a resource that exists outside of the program (``Type.get``)."""
        if self.failure is not None:
            raise Stopped
        provider, reference = self._providers.of(goal)
        try:
            found = provider.read(goal.type, identity, {})
        except ProviderError as error:
            raise self._failed(goal.urn, str(error)) from error
        if found is None:
            raise self._failed(goal.urn, f"there is no {identity!r} to be read")
        state = replace(new_state(goal, found, reference), external=True)
        self.snapshot.old(goal.urn)
        self.snapshot.settle(state)
        self._tell(state, "read", "done")
        return state

    def invoke(self, token: str, arguments: Properties, reference: str, version: str = "") -> Properties:
        """Answer a data source."""
        if token == "pulumi:pulumi:getResource":  # noqa: S105 - Pulumi's word for a function's name
            state = self.snapshot.new(arguments["urn"])
            if state is None:
                raise ProviderError(f"there is no {arguments['urn']}")
            return {"urn": state.urn, "id": state.id, "state": state.outputs}
        only_aws(token)
        return self._providers.at(reference or self._providers.default(version)).invoke(token, plain(arguments))

    def _component(self, goal: Goal) -> ResourceState:
        old = self.snapshot.old(goal.urn, goal.aliases)
        state = new_state(goal, State("", goal.inputs, old.outputs if old else {}), "")
        state = replace(state, created="", modified="")
        self.snapshot.settle(state, save=not self.preview and old is None)
        self._tell(state, "same" if old else "create", "done")
        return state

    def _provider_resource(self, goal: Goal) -> ResourceState:
        only_aws(goal.type.removeprefix(PROVIDER_TYPE))
        old = self.snapshot.old(goal.urn, goal.aliases)
        identity = old.id if old else str(uuid.uuid5(uuid.NAMESPACE_URL, goal.urn))
        state = new_state(goal, State(identity, goal.inputs, goal.inputs), "")
        operation: Operation = "create" if old is None else "same" if old.inputs == state.inputs else "update"
        self._providers.add(state)
        self.snapshot.settle(state)
        self._tell(state, operation, "done")
        return state

    def _custom(self, goal: Goal) -> ResourceState:
        provider, reference = self._providers.of(goal)
        old = self.snapshot.old(goal.urn, goal.aliases)
        if old is not None and (old.external or goal.urn in self._cleared):
            old = None
        wanted = ignoring(goal, old)
        inputs = checked(goal, provider, wanted, old)
        if goal.import_id and (old is None or old.id != goal.import_id):
            return self._import(goal, provider, reference, inputs)
        if old is None:
            operation: Operation = "replace" if goal.urn in self._cleared else "create"
            return self._create(goal, provider, reference, inputs, operation)
        diff = difference(goal, provider, old, inputs)
        if diff.replaces:
            return self._replace(goal, provider, reference, wanted, inputs, old, diff)
        if diff.changes or old.init_errors:
            return self._update(goal, provider, reference, inputs, old, diff)
        state = new_state(goal, State(old.id, inputs, provider.stamped(goal.type, old.plain_outputs)), reference, old)
        self.snapshot.settle(replace(state, modified=old.modified), save=False)
        self._tell(state, "same", "done")
        return state

    # --- the four changes --------------------------------------------------------------------------------------------

    def _create(
        self, goal: Goal, provider: LocalProvider, reference: str, inputs: Properties, operation: Operation = "create",
        *, leaving: ResourceState | None = None, detail: str = "",
    ) -> ResourceState:  # fmt: skip
        planned = new_state(goal, State("", inputs, provider.plan(goal.type, inputs, {})), reference)
        if waiting := self._ownership.claim(goal.urn, goal.type, inputs, provider):
            self.delete(waiting)
        with self._step(planned, operation, detail) as step:
            if self.preview:
                self.snapshot.settle(planned, leaving=leaving)
                return planned
            self.snapshot.begin(planned)
            try:
                state = new_state(goal, provider.create(goal.type, inputs), reference)
            except PartialFailure as failure:
                half = replace(new_state(goal, failure.state, reference), init_errors=[failure.reason])
                self._settle_made(half, leaving, step)
                raise step.failed(failure.reason) from failure
            except ProviderError as error:
                self.snapshot.fail(goal.urn)
                raise step.failed(str(error)) from error
            self._settle_made(state, leaving, step)
        return state

    def _settle_made(self, state: ResourceState, leaving: ResourceState | None, step: _Step) -> None:
        try:
            self._ownership.check(state)
        except ProviderError as error:
            self.snapshot.fail(state.urn)
            raise step.failed(str(error)) from error
        self.snapshot.settle(state, leaving=leaving)

    def _update(
        self, goal: Goal, provider: LocalProvider, reference: str, inputs: Properties, old: ResourceState, diff: Diff
    ) -> ResourceState:
        detail = ", ".join(diff.changes) or "finish what failed"
        outputs = provider.plan(goal.type, inputs, old.plain_outputs)
        planned = new_state(goal, State(old.id, inputs, outputs), reference, old)
        with self._step(planned, "update", detail) as step:
            if self.preview:
                self.snapshot.settle(planned)
                return planned
            try:
                found = provider.update(goal.type, old.id, old.plain_inputs, inputs, old.plain_outputs)
            except ProviderError as error:
                raise step.failed(str(error)) from error
            state = new_state(goal, found, reference, old)
            self.snapshot.settle(state)
        return state

    def _replace(
        self, goal: Goal, provider: LocalProvider, reference: str, wanted: Properties, inputs: Properties,
        old: ResourceState, diff: Diff,
    ) -> ResourceState:  # fmt: skip
        if old.protect:
            raise ProviderError(f"protected, and a change of {', '.join(diff.replaces)} would replace it")
        first = diff.delete_before_replace if goal.delete_before_replace is None else goal.delete_before_replace
        detail = ", ".join(diff.replaces)
        if not first:
            renamed = checked(goal, provider, wanted, None, seed=f"{goal.urn}\0{old.id}")
            if not self._ownership.replaces_itself(old, renamed, provider):
                return self._create(goal, provider, reference, renamed, "replace", leaving=old, detail=detail)
        self._ownership.claim(goal.urn, goal.type, inputs, provider)
        self._clear(old)
        return self._create(goal, provider, reference, inputs, "replace", detail=detail)

    def _import(self, goal: Goal, provider: LocalProvider, reference: str, inputs: Properties) -> ResourceState:
        found = provider.read(goal.type, goal.import_id, inputs)
        if found is None:
            raise ProviderError(f"there is no {goal.import_id!r} to be imported")
        differing = provider.diff(goal.type, found.inputs, inputs).changes
        if differing:
            raise ProviderError(f"{goal.import_id!r} isn't as the program has it: {', '.join(differing)} differ")
        state = new_state(goal, found, reference)
        self._ownership.check(state)
        self.snapshot.settle(state)
        self._tell(state, "import", "done")
        return state

    # --- looking anew ------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Take up what was changed, or deleted, behind Pulumi's back: the state tells what the cloud has."""
        known = [state for state in self.snapshot.known() if state.custom and not state.type.startswith(PROVIDER_TYPE)]
        with ThreadPoolExecutor(max_workers=_DELETIONS, thread_name_prefix="refresh") as pool:
            for outcome in [pool.submit(self._look_at, state) for state in known]:
                outcome.result()

    def _look_at(self, state: ResourceState) -> None:
        try:
            found = look_anew(state, self._providers.at(state.provider))
        except ProviderError as error:
            raise self._failed(state.urn, str(error), "refresh") from error
        if found is not state:
            self.snapshot.found(state, found)
        self._tell(state, "refresh", "done", what_moved(state, found), count=False)

    # --- deletion ----------------------------------------------------------------------------------------------------

    def delete_unregistered(self) -> None:
        """Delete what was replaced and what the program no longer has, dependents first."""
        waves = self.snapshot.unregistered()
        protected = [state for wave in waves for state in wave if state.protect and not state.delete]
        if protected:
            reason = "protected: take the protection off and deploy that before it can be deleted"
            raise self._failed(protected[0].urn, reason)
        going = {state.urn for wave in waves for state in wave}
        with ThreadPoolExecutor(max_workers=_DELETIONS, thread_name_prefix="delete") as pool:
            for wave in waves:
                # The whole wave ends, also if one deletion of it fails.
                outcomes = [pool.submit(self.delete, state, going) for state in wave]
                for outcome in outcomes:
                    outcome.result()

    def delete(self, state: ResourceState, going: set[str] | None = None, *, count: bool = True) -> None:
        """Delete one resource; ``going`` are those that go in the same deployment."""
        spared = not state.custom or state.external or state.retain_on_delete or state.deleted_with in (going or ())
        silent = state.type.startswith(PROVIDER_TYPE)
        with self._step(state, "delete", count=count and not state.delete and not silent) as step:
            if self.preview:
                self.snapshot.forget(state)
                return
            if not spared and not silent:
                try:
                    provider = self._providers.at(state.provider)
                    if not self._ownership.spared(state):
                        provider.delete(state.type, state.id, state.plain_inputs, state.plain_outputs)
                except ProviderError as error:
                    raise step.failed(str(error)) from error
            self.snapshot.forget(state)

    def _clear(self, old: ResourceState) -> None:
        """Delete a resource ahead of its replacement, after those that its replacement would replace as well."""
        for dependent in self.snapshot.dependents(old.urn):
            moving = {
                name: UNKNOWN
                for name, urns in dependent.property_dependencies.items()
                if old.urn in urns and name in dependent.inputs
            }
            inputs = dependent.plain_inputs
            provider = self._providers.at(dependent.provider)
            if moving and provider.diff(dependent.type, inputs, {**inputs, **moving}).replaces:
                self._clear(dependent)
                self._cleared.add(dependent.urn)
        self.delete(old, count=False)

    # --- telling -----------------------------------------------------------------------------------------------------

    def _step(self, state: ResourceState, operation: Operation, detail: str = "", *, count: bool = True) -> _Step:
        return _Step(self, state, operation, detail, count)

    def _tell(
        self, state: ResourceState, operation: Operation, status: str, detail: str = "", seconds: float = 0.0,
        *, count: bool = True,
    ) -> None:  # fmt: skip
        with self._lock:
            if status == "done" and count:
                self.changes[operation] += 1
            event = ResourceEvent(state.urn, state.type, state.name, operation, status, detail, seconds)  # type: ignore[arg-type]
            self._on_event(event)

    def _failed(self, urn: str, reason: str, verb: str = "") -> Stopped:
        error = DeployError("", urn=urn)
        message = f'{error.type} "{error.name}": {verb + " failed: " if verb else ""}{reason}'
        with self._lock:
            if self.failure is None:
                self.failure = DeployError(message, urn=urn)
        return Stopped(message)


class _Step:
    """Tells of a step's start and end, and how long it took."""

    def __init__(self, steps: Steps, state: ResourceState, operation: Operation, detail: str, count: bool) -> None:
        self._steps, self._state, self._operation = steps, state, operation
        self._detail, self._count = detail, count
        self._reason = ""
        self._started = 0.0

    def __enter__(self) -> _Step:
        self._started = time.monotonic()
        self._say("started", self._detail)
        return self

    def failed(self, reason: str) -> Stopped:
        """The exception to raise: the step failed for that reason."""
        self._reason = reason
        return self._steps._failed(self._state.urn, reason, self._operation)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._say("done", self._detail)
        else:
            self._say("failed", self._reason)

    def _say(self, status: str, detail: str) -> None:
        seconds = time.monotonic() - self._started if status != "started" else 0.0
        self._steps._tell(self._state, self._operation, status, detail, seconds, count=self._count)
