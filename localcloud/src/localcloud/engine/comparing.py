"""A goal beside what is there: its checked inputs, what differs, and the state that comes of it."""

from __future__ import annotations

import hashlib

from localcloud.engine.goal import Goal
from localcloud.engine.inputs import hashed
from localcloud.engine.state import ResourceState, now
from localcloud.provider import LocalProvider, ProviderError, State
from localcloud.provider.resource import Diff
from localcloud.provider.values import Properties, Secret, has_secret, plain


def checked(
    goal: Goal, provider: LocalProvider, wanted: Properties, old: ResourceState | None, seed: str = ""
) -> Properties:
    """The checked inputs, plain; raises `ProviderError` naming the first thing that is wrong with them."""
    before = old.plain_inputs if old else {}
    plain_wanted = hashed(plain(wanted))
    inputs, failures = provider.check(
        goal.type, goal.name, before, plain_wanted, hashlib.sha256((seed or goal.urn).encode()).digest()
    )
    if failures:
        raise ProviderError("; ".join(failure.reason for failure in failures))
    return inputs


def difference(goal: Goal, provider: LocalProvider, old: ResourceState, inputs: Properties) -> Diff:
    """What differs, and what of it makes a new resource; ``replace_on_changes`` included."""
    diff = provider.diff(goal.type, old.plain_inputs, inputs)
    forced = {path.split(".")[0].split("[")[0] for path in goal.replace_on_changes}
    if not forced:
        return diff
    changes = {name: replaces or name in forced or "*" in forced for name, replaces in diff.changes.items()}
    return Diff(changes, diff.delete_before_replace)


def new_state(goal: Goal, found: State, reference: str, old: ResourceState | None = None) -> ResourceState:
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
