"""A resource's state by what the cloud has, which may be another than what a deployment left."""

from __future__ import annotations

from dataclasses import replace

from localcloud.engine.state import ResourceState, now
from localcloud.provider import LocalProvider
from localcloud.provider.values import Properties, Secret, has_secret


def look_anew(state: ResourceState, provider: LocalProvider) -> ResourceState | None:
    """The resource as it is; the very same state if nothing moved, None if the resource is gone.

    Raises
    ------
    ProviderError
        The cloud doesn't tell.
    """
    found = provider.read(state.type, state.id, state.plain_inputs, state.plain_outputs)
    if found is None:
        return None
    if (found.inputs, found.outputs) == (state.plain_inputs, state.plain_outputs):
        return state
    inputs, outputs = _hidden(found.inputs, state.inputs), _hidden(found.outputs, state.outputs)
    return replace(state, inputs=inputs, outputs=outputs, modified=now())


def what_moved(before: ResourceState, found: ResourceState | None) -> str:
    """For people: the inputs that aren't as they were deployed."""
    if found is None:
        return "gone"
    old, new = before.plain_inputs, found.plain_inputs
    return ", ".join(name for name in sorted({*old, *new}) if old.get(name) != new.get(name))


def _hidden(values: Properties, marked: Properties) -> Properties:
    return {name: Secret(value) if has_secret(marked.get(name)) else value for name, value in values.items()}
