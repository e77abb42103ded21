"""Between Pulumi's spelling of a value (camelCase) and that of AWS's APIs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any


def pascal(value: Any, *, keep: Collection[str] = ()) -> Any:
    """Every key with a capital first letter: ``{"maxAge": 1}`` is ``{"MaxAge": 1}`` to most APIs.

    Values under the keys in ``keep`` are left alone: maps whose keys are the user's, such as environment variables.
    """
    if isinstance(value, Mapping):
        return {
            key[:1].upper() + key[1:]: item if key in keep else pascal(item, keep=keep)
            for key, item in value.items()
            if item is not None
        }
    if isinstance(value, list):
        return [pascal(item, keep=keep) for item in value]
    return value


def camel(value: Any, *, keep: Collection[str] = ()) -> Any:
    """The way back: every key with a small first letter."""
    if isinstance(value, Mapping):
        return {
            key[:1].lower() + key[1:]: item if key in keep else camel(item, keep=keep) for key, item in value.items()
        }
    if isinstance(value, list):
        return [camel(item, keep=keep) for item in value]
    return value


def capitals(*names: str) -> dict[str, str]:
    """For `renamed`: properties that the API calls the same, with a capital first letter."""
    return {name: name[:1].upper() + name[1:] for name in names}


def renamed(given: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Those of the properties that ``names`` knows, under the API's names; None is left out."""
    return {api: given[name] for name, api in names.items() if given.get(name) is not None}


def tag_map(tags: Iterable[Mapping[str, str]] | None, *, key: str = "Key", value: str = "Value") -> dict[str, str]:
    """Tags as Pulumi has them: the way back of `tag_list`."""
    return {tag[key]: tag[value] for tag in tags or ()}


def tag_list(tags: Mapping[str, str], *, key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """Tags as most APIs want them."""
    return [{key: name, value: content} for name, content in tags.items()]
