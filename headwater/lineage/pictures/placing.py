"""Heights of items in their layers: near their neighbours, in the given order, and never one over the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

SWEEPS = 12
SETTLING = 8
"""Sweeps at the end that look to both sides."""

_LOOSE = 0.05
"""Weight of an item that has no neighbour on the side that a sweep looks to."""


def placed(
    layers: Sequence[Sequence[int]],
    steps: Sequence[tuple[int, int]],
    *,
    apart: Callable[[int, int], int],
    is_passing: Callable[[int], bool],
) -> list[int]:
    """The middle of each item.

    Parameters
    ----------
    layers : sequence of sequence of int
        Items from top to bottom.
    steps : sequence of (int, int)
        Edges between neighbouring layers.
    apart : callable
        Distance that two neighbours in a layer keep, in whole pixels, from middle to middle.
    is_passing : callable
        Whether an item is a passing point: edges through several layers are kept straight.

    Returns
    -------
    list of int
        Pixels by item, which may be negative.

    Notes
    -----
    Each sweep moves every layer to the heights with the least weighted squares of distances from the neighbours'
    heights. Under the distances to be kept that is an isotonic regression, solved exactly by pooling adjacent
    violators.
    """
    count = sum(map(len, layers))
    before: list[list[tuple[int, float]]] = [[] for _ in range(count)]
    after: list[list[tuple[int, float]]] = [[] for _ in range(count)]
    for one, other in steps:
        weight = (1.0, 2.0, 8.0)[is_passing(one) + is_passing(other)]
        after[one].append((other, weight))
        before[other].append((one, weight))
    middle = [0.0] * count
    offsets = [_offsets(layer, apart) for layer in layers]
    for layer, offset in zip(layers, offsets, strict=True):
        for item, down in zip(layer, offset, strict=True):
            middle[item] = down - offset[-1] / 2
    both = [[*one, *other] for one, other in zip(before, after, strict=True)]
    numbers = range(len(layers))
    for sweep in range(SWEEPS + SETTLING):
        neighbours = both if sweep >= SWEEPS else after if sweep % 2 else before
        for number in reversed(numbers) if sweep % 2 else numbers:
            _settle(layers[number], offsets[number], neighbours, middle)
    rounded = [int((each + 0.5) // 1) for each in middle]
    for layer, offset in zip(layers, offsets, strict=True):
        for place in range(1, len(layer)):
            # Sums of floats may have lost a pixel of the distance.
            least = rounded[layer[place - 1]] + offset[place] - offset[place - 1]
            rounded[layer[place]] = max(rounded[layer[place]], least)
    return rounded


def _offsets(layer: Sequence[int], apart: Callable[[int, int], int]) -> list[int]:
    offsets = [0] if layer else []
    for upper, lower in pairwise(layer):
        offsets.append(offsets[-1] + apart(upper, lower))
    return offsets


def _settle(
    layer: Sequence[int],
    offsets: Sequence[int],
    neighbours: Sequence[Sequence[tuple[int, float]]],
    middle: list[float],
) -> None:
    """Move a layer to its best heights; the heights of other layers stand."""
    pools: list[tuple[float, float, int]] = []  # mean height, weight, number of items
    for item, offset in zip(layer, offsets, strict=True):
        near = neighbours[item]
        total = sum(weight for _, weight in near)
        wanted = sum(middle[each] * weight for each, weight in near) / total if near else middle[item]
        height, weight, size = wanted - offset, total or _LOOSE, 1
        while pools and pools[-1][0] > height:
            above, heavier, more = pools.pop()
            height = (above * heavier + height * weight) / (heavier + weight)
            weight, size = weight + heavier, size + more
        pools.append((height, weight, size))
    number = 0
    for height, _, size in pools:
        for _ in range(size):
            middle[layer[number]] = height + offsets[number]
            number += 1
