"""A program's inputs on their way to the provider: those to be ignored, and the hashes of files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from localcloud.engine.goal import Goal
from localcloud.engine.state import ResourceState
from localcloud.provider.values import Asset, Properties


def ignoring(goal: Goal, old: ResourceState | None) -> Properties:
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


def hashed(value: Any) -> Any:
    """The same values, with assets that carry the hash of what they hold."""
    match value:
        case Asset():
            return value.hashed()
        case dict():
            return {key: hashed(item) for key, item in value.items()}
        case list():
            return [hashed(item) for item in value]
    return value
