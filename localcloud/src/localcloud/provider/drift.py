"""What a refresh makes of a resource's inputs: the program's own words, but for what the cloud has otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localcloud.provider.values import Properties


def says(told: Any, wanted: Any, *, unordered: bool = False) -> bool:
    """Whether what the cloud tells holds all that is wanted; AWS fills in what the program left open.

    Parameters
    ----------
    told, wanted : Any
        Plain values. What ``wanted`` doesn't mention, within an object, may be anything.
    unordered : bool
        Whether these are lists without an order.
    """
    if isinstance(wanted, Mapping):
        return isinstance(told, Mapping) and all(says(told.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list) and wanted:
        if not isinstance(told, list) or len(told) != len(wanted):
            return False
        if not unordered:
            return all(map(says, told, wanted))
        return _pair(told, wanted)
    return told == wanted or (_is_nothing(told) and _is_nothing(wanted))


def _pair(told: list[Any], wanted: list[Any]) -> bool:
    """Whether each wanted item has a told one of its own that says it (Kuhn's augmenting paths)."""
    taken: dict[int, int] = {}

    def place(item: int, tried: set[int]) -> bool:
        for index, other in enumerate(told):
            if index in tried or not says(other, wanted[item]):
                continue
            tried.add(index)
            if index not in taken or place(taken[index], tried):
                taken[index] = item
                return True
        return False

    return all(place(item, set()) for item in range(len(wanted)))


def told_tags(told: Mapping[str, str], given: Mapping[str, str], default: Mapping[str, str]) -> Properties:
    """``tags`` and ``tagsAll`` by the tags that the cloud tells: the provider's default ones are not the program's."""
    ours = {name: value for name, value in told.items() if not name.startswith("aws:")}
    own = {name: value for name, value in ours.items() if name in given or default.get(name) != value}
    return {"tagsAll": ours, **({"tags": own} if own or given else {})}


def _is_nothing(value: Any) -> bool:
    return value is None or value in ("", [], {}, False)
