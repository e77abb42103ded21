"""Orders within layers: fewer crossings, by sweeps over the layers and by exchanging neighbours."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from headwater.lineage.pictures.layering import Layering

SWEEPS = 24
PATIENCE = 6
"""Sweeps without a better order after which the best one stands."""
EXCHANGED = 4_000
"""Items up to which neighbours are exchanged one by one, which costs more than it brings in a huge picture."""

Layers = list[list[int]]


def ordered(layering: Layering) -> Layers:
    """Items of each layer from top to bottom; parts of the graph that aren't connected stay apart."""
    steps = layering.steps()
    count = len(layering.layer)
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for one, other in steps:
        after[one].append(other)
        before[other].append(one)
    layers = _first(layering, before, after)
    best, fewest, since = [list(each) for each in layers], crossings(layers, after), 0
    for sweep in range(SWEEPS):
        if not fewest or since >= PATIENCE:
            break
        if sweep % 2:
            for layer, beside in pairwise(reversed(layers)):
                _by_barycentre(beside, layer, after, layering.component)
        else:
            for beside, layer in pairwise(layers):
                _by_barycentre(layer, beside, before, layering.component)
        found, since = crossings(layers, after), since + 1
        if found < fewest:
            best, fewest, since = [list(each) for each in layers], found, 0
    if fewest and count <= EXCHANGED:
        _exchange(best, before, after, layering.component)
    return best


def _first(layering: Layering, before: Sequence[Sequence[int]], after: Sequence[Sequence[int]]) -> Layers:
    """The order in which a walk along the edges meets the items: neighbours start near each other."""
    seen = [False] * len(layering.layer)
    met: list[int] = []
    for root in sorted(range(len(seen)), key=lambda item: (layering.component[item], layering.layer[item], item)):
        waiting = [root]
        while waiting:
            item = waiting.pop()
            if seen[item]:
                continue
            seen[item] = True
            met.append(item)
            waiting += [*reversed(after[item]), *reversed(before[item])]
    layers: Layers = [[] for _ in range(max(layering.layer, default=-1) + 1)]
    for item in met:
        layers[layering.layer[item]].append(item)
    return layers


def crossings(layers: Layers, after: Sequence[Sequence[int]]) -> int:
    """Pairs of edges between neighbouring layers that cross."""
    total = 0
    for layer, beside in pairwise(layers):
        place = {item: number for number, item in enumerate(beside)}
        ends = [end for item in layer for end in sorted(place[each] for each in after[item])]
        # Inversions, counted with a Fenwick tree (Barth, Juenger and Mutzel 2002).
        tree = [0] * (len(beside) + 1)
        for number, end in enumerate(ends):
            not_after, index = 0, end + 1
            while index:
                not_after += tree[index]
                index &= index - 1
            total += number - not_after
            index = end + 1
            while index <= len(beside):
                tree[index] += 1
                index += index & -index
    return total


def _by_barycentre(
    layer: list[int], beside: Sequence[int], neighbours: Sequence[Sequence[int]], component: Sequence[int]
) -> None:
    """Sort a layer by the mean place of each item's neighbours; an item without one keeps its place."""
    place = {item: number for number, item in enumerate(beside)}
    joined = [item for item in layer if neighbours[item]]
    centre = {item: sum(place[each] for each in neighbours[item]) / len(neighbours[item]) for item in joined}
    joined.sort(key=lambda item: (component[item], centre[item]))
    following = iter(joined)
    layer[:] = [next(following) if neighbours[item] else item for item in layer]


def _exchange(
    layers: Layers, before: Sequence[Sequence[int]], after: Sequence[Sequence[int]], component: Sequence[int]
) -> None:
    """Exchange neighbours in a layer wherever fewer edges cross then."""
    place = {item: number for layer in layers for number, item in enumerate(layer)}
    sides = (before, after)
    for _ in range(8):
        is_better = False
        for layer in layers:
            for number in range(len(layer) - 1):
                upper, lower = layer[number], layer[number + 1]
                if component[upper] != component[lower]:
                    continue
                now = sum(_crossed(side[upper], side[lower], place) for side in sides)
                then = sum(_crossed(side[lower], side[upper], place) for side in sides)
                if then < now:
                    layer[number : number + 2] = [lower, upper]
                    place[upper], place[lower] = number + 1, number
                    is_better = True
        if not is_better:
            return


def _crossed(upper: Sequence[int], lower: Sequence[int], place: dict[int, int]) -> int:
    ends = sorted(place[each] for each in lower)
    return sum(bisect_left(ends, place[each]) for each in upper)
