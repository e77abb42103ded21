"""Differences between two graphs, property by property."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from headwater.history.graph import Graph, is_secret
from headwater.history.types import SECRET, Difference, PropertyChange, Resource, ResourceChange

_ABSENT = object()


def difference(before: Graph, after: Graph, *, names: tuple[str, str]) -> Difference:
    """The differences from ``before`` to ``after``; ``names`` are the two updates' ids.

    A secret on both sides can't be compared, because it is never decrypted: it is named, and a resource that is equal
    otherwise counts as undecided.
    """
    old = {_key(each): each for each in before.resources}
    new = {_key(each): each for each in after.resources}
    changed, undecided, same = [], [], 0
    for key in sorted(old.keys() & new.keys()):
        change = _compare(old[key], new[key])
        if change.properties:
            changed.append(change)
        elif change.secrets:
            undecided.append(change)
        else:
            same += 1
    return Difference(
        before=names[0],
        after=names[1],
        added=tuple(new[key] for key in sorted(new.keys() - old.keys())),
        removed=tuple(old[key] for key in sorted(old.keys() - new.keys())),
        changed=tuple(changed),
        undecided=tuple(undecided),
        same=same,
    )


def _key(resource: Resource) -> tuple[str, bool, str]:
    # Of a resource that waits for its deletion there may be several.
    return resource.urn, resource.condemned, resource.id if resource.condemned else ""


def _compare(old: Resource, new: Resource) -> ResourceChange:
    before, after = dict(_leaves(_properties(old))), dict(_leaves(_properties(new)))
    changes, secrets = [], []
    for path in sorted(before.keys() | after.keys()):
        was, is_now = before.get(path, _ABSENT), after.get(path, _ABSENT)
        if is_secret(was) and is_secret(is_now):
            secrets.append(path)
        elif was != is_now:
            changes.append(PropertyChange(path=path, before=_shown(was), after=_shown(is_now)))
    changes += _dependencies(set(old.dependencies), set(new.dependencies))
    return ResourceChange(urn=new.urn, type=new.type, name=new.name, properties=tuple(changes), secrets=tuple(secrets))


def _properties(resource: Resource) -> dict[str, Any]:
    options = {
        "parent": resource.parent,
        "provider": resource.provider,
        "protect": resource.protect,
    }
    return {**resource.inputs, **{f"({name})": value for name, value in options.items() if value}}


def _dependencies(before: set[str], after: set[str]) -> list[PropertyChange]:
    """One change for each resource that is no longer, or newly, depended on: they have no order."""
    gone = [PropertyChange(path="(dependencies)", before=urn) for urn in sorted(before - after)]
    return gone + [PropertyChange(path="(dependencies)", after=urn) for urn in sorted(after - before)]


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each part that has no parts, with the way to it; policies and other JSON in texts are looked into."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        with suppress(ValueError):
            value = json.loads(value)
    if isinstance(value, Mapping) and value and not is_secret(value):
        for name, item in value.items():
            yield from _leaves(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    else:
        yield path, value


def _shown(value: Any) -> Any:
    return None if value is _ABSENT else SECRET if is_secret(value) else value


def shown_inputs(resource: Resource) -> dict[str, Any]:
    """The resource's inputs as people and machines see them: secrets as ``[secret]``."""

    def inner(value: Any) -> Any:
        if is_secret(value):
            return SECRET
        if isinstance(value, Mapping):
            return {name: inner(item) for name, item in value.items()}
        return [inner(item) for item in value] if isinstance(value, list) else value

    return {name: inner(value) for name, value in resource.inputs.items()}
