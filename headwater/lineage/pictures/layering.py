"""Layers of a graph: what was made from what stands in an earlier layer; long edges pass through the layers between.

The steps of Sugiyama, Tagawa and Toda (1981). All of the edges that lead from one node into later layers share one
trunk of passing points, from which they branch off: a thing that hundreds were made from, such as the infrastructure,
costs one line a layer instead of hundreds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import isqrt

Arc = tuple[int, int]
"""From a node to one that was made from it, both by their number."""

MOST_PASSING = 50_000
"""Steps through layers that all edges together may take; beyond it, the longest edges are drawn straight."""


@dataclass
class Layering:
    """Nodes and passing points in layers."""

    layer: list[int]
    """Layer of each item. Items below the number of nodes are nodes, those above are passing points."""
    paths: dict[Arc, list[int]] = field(default_factory=dict)
    """The items on the way of each arc, from its left end to its right end."""
    turned: set[Arc] = field(default_factory=set)
    """Arcs that close a cycle: drawn from right to left."""
    component: list[int] = field(default_factory=list)
    """Which connected part of the graph each item belongs to."""

    def steps(self) -> list[Arc]:
        """Each pair of neighbouring items on a path, once, from left to right; straight edges have none."""
        return sorted(
            {
                (one, other)
                for path in self.paths.values()
                for one, other in pairwise(path)
                if self.layer[other] == self.layer[one] + 1
            }
        )


def layered(count: int, arcs: Iterable[Arc]) -> Layering:
    """Layers for nodes ``0..count-1``; arcs from a node to itself take no part."""
    proper = sorted({(above, below) for above, below in arcs if above != below})
    turned = _closing(count, proper)
    forward = sorted({(below, above) if (above, below) in turned else (above, below) for above, below in proper})
    layer = _by_longest_path(count, forward)
    component = _components(count, forward)
    _spread(layer, _lonely(count, forward))
    found = Layering(layer, turned=turned, component=component)
    _pass_through(found, proper)
    return found


def _neighbours(count: int, arcs: Sequence[Arc]) -> tuple[list[list[int]], list[list[int]]]:
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for one, other in arcs:
        after[one].append(other)
        before[other].append(one)
    return before, after


def _closing(count: int, arcs: Sequence[Arc]) -> set[Arc]:
    """Arcs that lead back to a node that a depth-first walk is still below of: without them there is no cycle."""
    before, after = _neighbours(count, arcs)
    closing: set[Arc] = set()
    state = [0] * count  # 0 not seen, 1 on the walk's path, 2 done
    for root in sorted(range(count), key=lambda node: (len(before[node]) > 0, node)):
        if state[root]:
            continue
        state[root] = 1
        walk = [(root, iter(after[root]))]
        while walk:
            node, rest = walk[-1]
            following = next(rest, None)
            if following is None:
                state[node] = 2
                walk.pop()
            elif state[following] == 1:
                closing.add((node, following))
            elif state[following] == 0:
                state[following] = 1
                walk.append((following, iter(after[following])))
    return closing


def _by_longest_path(count: int, arcs: Sequence[Arc]) -> list[int]:
    """One layer after the last that a node was made from; a source of many then moves to the first that it made."""
    before, after = _neighbours(count, arcs)
    layer, waiting = [0] * count, [len(each) for each in before]
    order = [node for node in range(count) if not before[node]]
    for node in order:
        for following in after[node]:
            layer[following] = max(layer[following], layer[node] + 1)
            waiting[following] -= 1
            if not waiting[following]:
                order.append(following)
    for node in reversed(order):
        # Shorter edges on the side that has more of them.
        if len(after[node]) > len(before[node]) or (after[node] and not before[node]):
            layer[node] = max(layer[node], min(layer[each] for each in after[node]) - 1)
    return layer


def _components(count: int, arcs: Sequence[Arc]) -> list[int]:
    """The parts of the graph, the largest first."""
    before, after = _neighbours(count, arcs)
    part = [-1] * count
    sizes: list[int] = []
    for root in range(count):
        if part[root] >= 0:
            continue
        part[root], found = len(sizes), [root]
        for node in found:
            for each in (*before[node], *after[node]):
                if part[each] < 0:
                    part[each] = part[root]
                    found.append(each)
        sizes.append(len(found))
    rank = {old: new for new, old in enumerate(sorted(range(len(sizes)), key=lambda each: (-sizes[each], each)))}
    return [rank[each] for each in part]


def _lonely(count: int, arcs: Sequence[Arc]) -> list[int]:
    joined = {node for arc in arcs for node in arc}
    return [node for node in range(count) if node not in joined]


def _spread(layer: list[int], lonely: Sequence[int]) -> None:
    """Nodes without edges stand side by side: one below the other they would make a long strip."""
    wide = max(max(layer, default=0) + 1, min(isqrt(len(lonely)), 8))
    for place, node in enumerate(lonely):
        layer[node] = place % wide


def _pass_through(found: Layering, arcs: Sequence[Arc]) -> None:
    """Give each arc its path; arcs that leave a node to the same side share their passing points."""
    trunks: dict[tuple[int, bool], list[Arc]] = {}
    for arc in arcs:
        is_turned = arc in found.turned
        trunks.setdefault((arc[is_turned], is_turned), []).append(arc)

    def length(key: tuple[int, bool]) -> int:
        return sum(abs(found.layer[one] - found.layer[other]) for one, other in trunks[key])

    steps = 0
    for key in sorted(trunks, key=lambda each: (length(each), each)):
        (left, is_turned), steps = key, steps + length(key)
        rights = [arc[not is_turned] for arc in trunks[key]]
        trunk: list[int] = []
        if steps <= MOST_PASSING:
            last = max(found.layer[right] for right in rights)
            trunk = list(range(len(found.layer), len(found.layer) + last - found.layer[left] - 1))
            found.layer += range(found.layer[left] + 1, last)
            found.component += [found.component[left]] * len(trunk)
        for arc, right in zip(trunks[key], rights, strict=True):
            passed = trunk[: found.layer[right] - found.layer[left] - 1]
            found.paths[arc] = [left, *passed, right]
