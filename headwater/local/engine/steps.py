"""The steps of a deployment: compare what is wanted with what is there, and bring it about.

The order of events follows Pulumi's engine: a replacement is made before the old resource goes, unless its name or the
program forbids it; whatever is no longer wanted goes at the end, dependents first.
"""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from headwater.local.engine.errors import DeployError
from headwater.local.engine.events import OnEvent, Operation, ResourceEvent
from headwater.local.engine.goal import Goal, make_urn
from headwater.local.engine.ledger import Ledger
from headwater.local.engine.state import PROVIDER_TYPE, STACK_TYPE, ResourceState, now
from headwater.local.provider import LocalProvider, PartialFailure, ProviderError, State
from headwater.local.provider.resource import Diff
from headwater.local.provider.values import UNKNOWN, Properties, Secret, has_secret, plain


class Stopped(Exception):
    """Another resource failed: nothing new is begun."""


class Steps:
    """Takes registrations from the program, from many threads at once, and turns each into a step.

    Parameters
    ----------
    ledger : Ledger
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
    """

    def __init__(
        self,
        ledger: Ledger,
        environment: Mapping[str, str],
        config: Mapping[str, str],
        *,
        stack: str,
        project: str,
        preview: bool,
        on_event: OnEvent,
    ) -> None:
        self.ledger = ledger
        self.preview = preview
        self.changes: Counter[str] = Counter()
        self.outputs: Properties = {}
        self.failure: DeployError | None = None
        self._environment = environment
        self._config = config
        self._stack, self._project = stack, project
        self._on_event = on_event
        self._lock = threading.Lock()
        self._seen: set[str] = set()
        self._cleared: set[str] = set()  # deleted ahead of a replacement: their own registration creates them anew
        self._providers: dict[str, LocalProvider] = {}

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

    def register_outputs(self, urn: str, outputs: Properties) -> None:
        """Note what a component says of itself; the stack's outputs are the deployment's."""
        component = self.ledger.new(urn)
        if component is None:
            return
        if component.type == STACK_TYPE:
            self.outputs = plain(outputs)
        self.ledger.settle(replace(component, outputs=outputs), save=component.outputs != outputs)

    def read(self, goal: Goal, identity: str) -> ResourceState:
        """Look up a resource that exists outside of the program (``Type.get``)."""
        if self.failure is not None:
            raise Stopped
        provider, reference = self._provider_of(goal)
        try:
            found = provider.read(goal.type, identity, {})
        except ProviderError as error:
            raise self._failed(goal.urn, str(error)) from error
        if found is None:
            raise self._failed(goal.urn, f"there is no {identity!r} to be read")
        state = replace(self._state(goal, found, reference), external=True)
        self.ledger.old(goal.urn)
        self.ledger.settle(state)
        self._tell(state, "read", "done")
        return state

    def invoke(self, token: str, arguments: Properties, reference: str) -> Properties:
        """Answer a data source."""
        if token == "pulumi:pulumi:getResource":  # noqa: S105 - Pulumi's word for a function's name
            state = self.ledger.new(arguments["urn"])
            if state is None:
                raise ProviderError(f"there is no {arguments['urn']}")
            return {"urn": state.urn, "id": state.id, "state": state.outputs}
        _only_aws(token)
        return self._provider(reference or self._default_provider("")).invoke(token, plain(arguments))

    def _component(self, goal: Goal) -> ResourceState:
        old = self.ledger.old(goal.urn, goal.aliases)
        state = self._state(goal, State("", goal.inputs, old.outputs if old else {}), "")
        state = replace(state, created="", modified="")
        self.ledger.settle(state, save=not self.preview and old is None)
        self._tell(state, "same" if old else "create", "done")
        return state

    def _provider_resource(self, goal: Goal) -> ResourceState:
        _only_aws(goal.type.removeprefix(PROVIDER_TYPE))
        old = self.ledger.old(goal.urn, goal.aliases)
        identity = old.id if old else str(uuid.uuid5(uuid.NAMESPACE_URL, goal.urn))
        state = self._state(goal, State(identity, goal.inputs, goal.inputs), "")
        operation: Operation = "create" if old is None else "same" if old.inputs == state.inputs else "update"
        with self._lock:
            self._providers[f"{goal.urn}::{identity}"] = LocalProvider(self._environment, state.plain_inputs)
        self.ledger.settle(state)
        self._tell(state, operation, "done")
        return state

    def _custom(self, goal: Goal) -> ResourceState:
        provider, reference = self._provider_of(goal)
        old = self.ledger.old(goal.urn, goal.aliases)
        if old is not None and (old.external or goal.urn in self._cleared):
            old = None
        wanted = _ignoring(goal, old)
        inputs = self._check(goal, provider, wanted, old)
        if goal.import_id and (old is None or old.id != goal.import_id):
            return self._import(goal, provider, reference, inputs)
        if old is None:
            operation: Operation = "replace" if goal.urn in self._cleared else "create"
            return self._create(goal, provider, reference, inputs, operation)
        diff = self._diff(goal, provider, old, inputs)
        if diff.replaces:
            return self._replace(goal, provider, reference, wanted, inputs, old, diff)
        if diff.changes or old.init_errors:
            return self._update(goal, provider, reference, inputs, old, diff)
        state = self._state(goal, State(old.id, inputs, old.plain_outputs), reference, old)
        self.ledger.settle(replace(state, modified=old.modified), save=False)
        self._tell(state, "same", "done")
        return state

    # --- the four changes --------------------------------------------------------------------------------------------

    def _create(
        self, goal: Goal, provider: LocalProvider, reference: str, inputs: Properties, operation: Operation = "create",
        *, leaving: ResourceState | None = None, detail: str = "",
    ) -> ResourceState:  # fmt: skip
        planned = self._state(goal, State("", inputs, inputs), reference)
        with self._step(planned, operation, detail) as step:
            if self.preview:
                self.ledger.settle(planned, leaving=leaving)
                return planned
            self.ledger.begin(planned)
            try:
                state = self._state(goal, provider.create(goal.type, inputs), reference)
            except PartialFailure as failure:
                half = replace(self._state(goal, failure.state, reference), init_errors=[failure.reason])
                self.ledger.settle(half, leaving=leaving)
                raise step.failed(failure.reason) from failure
            except ProviderError as error:
                self.ledger.fail(goal.urn)
                raise step.failed(str(error)) from error
            self.ledger.settle(state, leaving=leaving)
        return state

    def _update(
        self, goal: Goal, provider: LocalProvider, reference: str, inputs: Properties, old: ResourceState, diff: Diff
    ) -> ResourceState:
        detail = ", ".join(diff.changes) or "finish what failed"
        planned = self._state(goal, State(old.id, inputs, {**old.plain_outputs, **inputs}), reference, old)
        with self._step(planned, "update", detail) as step:
            if self.preview:
                self.ledger.settle(planned)
                return planned
            try:
                found = provider.update(goal.type, old.id, old.plain_inputs, inputs, old.plain_outputs)
            except ProviderError as error:
                raise step.failed(str(error)) from error
            state = self._state(goal, found, reference, old)
            self.ledger.settle(state)
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
            inputs = self._check(goal, provider, wanted, None, seed=f"{goal.urn}\0{old.id}")
            return self._create(goal, provider, reference, inputs, "replace", leaving=old, detail=detail)
        self._clear(old)
        return self._create(goal, provider, reference, inputs, "replace", detail=detail)

    def _import(self, goal: Goal, provider: LocalProvider, reference: str, inputs: Properties) -> ResourceState:
        found = provider.read(goal.type, goal.import_id, inputs)
        if found is None:
            raise ProviderError(f"there is no {goal.import_id!r} to be imported")
        differing = provider.diff(goal.type, found.inputs, inputs).changes
        if differing:
            raise ProviderError(f"{goal.import_id!r} isn't as the program has it: {', '.join(differing)} differ")
        state = self._state(goal, found, reference)
        self.ledger.settle(state)
        self._tell(state, "import", "done")
        return state

    # --- deletion ----------------------------------------------------------------------------------------------------

    def delete_unregistered(self) -> None:
        """Delete what was replaced and what the program no longer has, dependents first."""
        waiting = self.ledger.unregistered()
        protected = [state for state in waiting if state.protect and not state.delete]
        if protected:
            first = protected[0]
            raise self._failed(first.urn, "protected: take the protection off and deploy that before it can be deleted")
        going = {state.urn for state in waiting}
        for state in waiting:
            self.delete(state, going)

    def delete(self, state: ResourceState, going: set[str] | None = None, *, count: bool = True) -> None:
        """Delete one resource; ``going`` are those that go in the same deployment."""
        spared = not state.custom or state.external or state.retain_on_delete or state.deleted_with in (going or ())
        silent = state.type.startswith(PROVIDER_TYPE)
        with self._step(state, "delete", count=count and not state.delete and not silent) as step:
            if self.preview:
                self.ledger.forget(state)
                return
            if not spared and not silent:
                try:
                    provider = self._provider(state.provider)
                    provider.delete(state.type, state.id, state.plain_inputs, state.plain_outputs)
                except ProviderError as error:
                    raise step.failed(str(error)) from error
            self.ledger.forget(state)

    def _clear(self, old: ResourceState) -> None:
        """Delete a resource ahead of its replacement, after those that its replacement would replace as well."""
        for dependent in self.ledger.dependents(old.urn):
            moving = {
                name: UNKNOWN
                for name, urns in dependent.property_dependencies.items()
                if old.urn in urns and name in dependent.inputs
            }
            inputs = dependent.plain_inputs
            provider = self._provider(dependent.provider)
            if moving and provider.diff(dependent.type, inputs, {**inputs, **moving}).replaces:
                self._clear(dependent)
                self._cleared.add(dependent.urn)
        self.delete(old, count=False)

    # --- comparing ---------------------------------------------------------------------------------------------------

    def _check(
        self, goal: Goal, provider: LocalProvider, wanted: Properties, old: ResourceState | None, seed: str = ""
    ) -> Properties:
        """The checked inputs, plain; raises `ProviderError` naming the first thing that is wrong with them."""
        before = old.plain_inputs if old else {}
        plain_wanted = _hashed(plain(wanted))
        inputs, failures = provider.check(
            goal.type, goal.name, before, plain_wanted, hashlib.sha256((seed or goal.urn).encode()).digest()
        )
        if failures:
            raise ProviderError("; ".join(failure.reason for failure in failures))
        return inputs

    def _diff(self, goal: Goal, provider: LocalProvider, old: ResourceState, inputs: Properties) -> Diff:
        diff = provider.diff(goal.type, old.plain_inputs, inputs)
        forced = {path.split(".")[0].split("[")[0] for path in goal.replace_on_changes}
        if not forced:
            return diff
        changes = {name: replaces or name in forced or "*" in forced for name, replaces in diff.changes.items()}
        return Diff(changes, diff.delete_before_replace)

    def _state(self, goal: Goal, found: State, reference: str, old: ResourceState | None = None) -> ResourceState:
        """The new state: what was found, with secrecy carried over from the program's inputs."""
        secret = {name for name, value in goal.inputs.items() if has_secret(value)}
        hidden = secret | set(goal.additional_secret_outputs)
        inputs = {name: Secret(value) if name in secret else value for name, value in found.inputs.items()}
        outputs = {name: Secret(value) if name in hidden else value for name, value in found.outputs.items()}
        moment = now()
        return ResourceState(
            urn=goal.urn,
            type=goal.type,
            custom=goal.custom,
            id=found.id,
            inputs=inputs if goal.custom else found.inputs,
            outputs=outputs if goal.custom else found.outputs,
            parent=goal.parent,
            provider=reference,
            dependencies=sorted(goal.dependencies),
            property_dependencies={name: sorted(urns) for name, urns in (goal.property_dependencies or {}).items()},
            protect=goal.protect,
            retain_on_delete=goal.retain_on_delete,
            deleted_with=goal.deleted_with,
            additional_secret_outputs=goal.additional_secret_outputs,
            created=old.created if old else moment,
            modified=moment,
        )

    # --- providers ---------------------------------------------------------------------------------------------------

    def _provider_of(self, goal: Goal) -> tuple[LocalProvider, str]:
        _only_aws(goal.type)
        reference = goal.provider or self._default_provider(goal.version)
        return self._provider(reference), reference

    def _default_provider(self, version: str) -> str:
        """The provider for resources that name none; it stands in the state as Pulumi's own does."""
        kind = f"{PROVIDER_TYPE}aws"
        name = "_".join(["default", *version.split(".")]) if version else "default"
        urn = make_urn(self._stack, self._project, "", kind, name)
        identity = str(uuid.uuid5(uuid.NAMESPACE_URL, urn))
        reference = f"{urn}::{identity}"
        with self._lock:
            known = reference in self._providers
            settings = {
                key.removeprefix("aws:"): value for key, value in self._config.items() if key.startswith("aws:")
            }
            if not known:
                self._providers[reference] = LocalProvider(self._environment, settings)
        if not known and version:
            inputs = {**settings, "version": version}
            old = self.ledger.old(urn)
            moment = now()
            self.ledger.settle(
                ResourceState(
                    urn,
                    kind,
                    True,
                    identity,
                    inputs,
                    inputs,
                    created=old.created if old else moment,
                    modified=old.modified if old else moment,
                ),  # fmt: skip
                save=False,
            )
        return reference

    def _provider(self, reference: str) -> LocalProvider:
        with self._lock:
            if reference not in self._providers:
                # Of an earlier deployment: its settings are in the state.
                urn = reference.rsplit("::", 1)[0]
                known = self.ledger.new(urn) or self.ledger.old(urn)
                self._providers[reference] = LocalProvider(self._environment, known.plain_inputs if known else {})
            return self._providers[reference]

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


def _only_aws(token: str) -> None:
    package = token.split(":")[0]
    if package != "aws":
        raise ProviderError(f"the embedded engine has the provider of aws only, not of {package!r} ({token})")


def _ignoring(goal: Goal, old: ResourceState | None) -> Properties:
    """The wanted inputs, with those to be ignored as they were."""
    if old is None or not goal.ignore_changes:
        return goal.inputs
    wanted = dict(goal.inputs)
    for path in goal.ignore_changes:
        _copy_path(path.replace("[", ".").replace("]", "").replace('"', "").split("."), old.plain_inputs, wanted)
    return wanted


def _copy_path(path: Sequence[str], source: Any, target: Any) -> None:
    head, rest = path[0], path[1:]
    if head == "*" and isinstance(target, dict):
        for key in list(target):
            _copy_path([key, *rest], source, target)
    elif not isinstance(target, dict) or not isinstance(source, Mapping):
        return
    elif not rest:
        if head in source:
            target[head] = source[head]
        else:
            target.pop(head, None)
    elif isinstance(target.get(head), dict):
        target[head] = dict(target[head])
        _copy_path(rest, source.get(head) or {}, target[head])


def _hashed(value: Any) -> Any:
    """The same values, with assets that carry the hash of what they hold."""
    from headwater.local.provider.values import Asset

    match value:
        case Asset():
            return value.hashed()
        case dict():
            return {key: _hashed(item) for key, item in value.items()}
        case list():
            return [_hashed(item) for item in value]
    return value


Reporter = Callable[[str], None]
