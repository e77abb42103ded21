"""Usual distances of one feature: how far each reference window is from all the other ones."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from headwater.monitoring.drift.channels import DISTANCES, Channel, Floats, cells_of, equal_mass, shape_distance
from headwater.monitoring.profiles.types import CategoryCounts, NumberCounts

LEAST_ROWS = 50
"""Rows of a window below which nothing is judged."""
LEAST_KNOWN = 20
"""Values of a window below which a feature has no distances."""
LEAST_WINDOWS = 30
"""Reference windows below which nothing is judged."""
TAIL = 0.9
"""Above this quantile of the usual distances their tail is taken to be exponential."""
_STEP = 1.1
"""Reference windows are thinned to sizes of this geometric series, so that they needn't be for each window anew."""
RANGE_SCALE, FROZEN_SCALE = 0.05, 0.01
"""Shares that a usual distance may exceed the others' 90% quantile by, even if none ever did."""
_HIGHEST = 300.0

FeatureCounts = NumberCounts | CategoryCounts


def tail_scores(usual: Floats, given: Floats, scale: float) -> Floats:
    """Give -log10 of the probability that a usual distance is at least as large.

    Empirical up to the 90% quantile, exponential above it with the mean excess (at least ``scale``): what a generalised
    Pareto tail of shape 0 is (J. Pickands, "Statistical inference using extreme order statistics", 1975).
    """
    limit = np.quantile(usual, TAIL)
    above = usual[usual > limit] - limit
    mean = max(float(above.mean()) if len(above) else 0.0, scale)
    exceeding = (usual[None, :] >= given[:, None]).sum(axis=1)
    return _scores(given, limit, mean, (1 + exceeding) / (len(usual) + 1))


def leave_one_out(usual: Floats, scale: float) -> Floats:
    """Score each distance beside all the other ones, as `tail_scores` does; at least two distances."""
    count = len(usual)
    ordered = np.sort(usual)
    ranks = np.empty(count, dtype=np.int64)
    ranks[np.argsort(usual, kind="stable")] = np.arange(count)
    # The quantile of the others: their order is that of all, without the one.
    place = TAIL * (count - 2)
    low = int(place)
    high = min(low + 1, count - 2)
    first, second = ordered[low + (low >= ranks)], ordered[high + (high >= ranks)]
    limits = first + (second - first) * (place - low)
    others = ~np.eye(count, dtype=bool)
    above = (usual[None, :] > limits[:, None]) & others
    excess = np.where(above, usual[None, :] - limits[:, None], 0.0).sum(axis=1) / np.maximum(above.sum(axis=1), 1)
    exceeding = ((usual[None, :] >= usual[:, None]) & others).sum(axis=1)
    return _scores(usual, limits, np.maximum(excess, scale), (1 + exceeding) / count)


def _scores(given: Floats, limit: Any, mean: Any, empirical: Floats) -> Floats:
    tail = -np.log10(1 - TAIL) + (given - limit) / mean / np.log(10)
    return np.minimum(np.where(given > limit, tail, -np.log10(empirical)), _HIGHEST)


@dataclass(frozen=True, eq=False)
class FeatureReference:
    """Counts of one feature in each of K reference windows, as arrays."""

    name: str
    places: NDArray[np.int64]
    """The cell of each bin."""
    cells: NDArray[np.int64]
    """Shape (K, cells)."""
    rows: NDArray[np.int64]
    known: NDArray[np.int64]
    quality: Mapping[Channel, NDArray[np.int64]]
    """Rows that are missing, unseen and infinite."""
    outside: NDArray[np.int64]
    top: NDArray[np.int64]
    _usual: dict[int, Mapping[Channel, tuple[Floats, Floats, float]]] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, counts: Sequence[FeatureCounts | None], horizon: int = 1) -> Self:
        """Gather a feature's counts of windows in the order of time; ``horizon`` neighbours are added up to one.

        A window without counts of the feature has none of its values.
        """
        present = [entry for entry in counts if entry is not None]
        numbers = bool(present) and isinstance(present[0], NumberCounts)
        width = len(present[0].bins) if present else 0
        bins = np.asarray([cells_of(entry) if entry else [0] * width for entry in counts], dtype=np.int64)
        bins = bins.reshape(len(counts), width)
        places = equal_mass(bins.sum(axis=0), ordered=numbers)
        cells = np.zeros((len(counts), int(places.max(initial=-1)) + 1), dtype=np.int64)
        for bin_, place in enumerate(places.tolist()):
            cells[:, place] += bins[:, bin_]

        def summed(values: Any) -> NDArray[np.int64]:
            return _slide(np.asarray(values, dtype=np.int64), horizon)

        return cls(
            name=name,
            places=places,
            cells=_slide(cells, horizon),
            rows=summed([entry.known + entry.missing if entry else 0 for entry in counts]),
            known=summed([entry.known if entry else 0 for entry in counts]),
            quality={
                Channel.MISSING: summed([entry.missing if entry else 0 for entry in counts]),
                Channel.UNSEEN: summed([getattr(entry, "unseen", 0) for entry in counts]),
                Channel.INFINITE: summed([getattr(entry, "infinite", 0) for entry in counts]),
            },
            outside=summed([outside_of(entry) for entry in counts]),
            top=_tops(counts, horizon),
        )

    def pick(self, mask: NDArray[np.bool_]) -> FeatureReference:
        """Keep some of the windows."""
        return FeatureReference(
            name=self.name,
            places=self.places,
            cells=self.cells[mask],
            rows=self.rows[mask],
            known=self.known[mask],
            quality={name: counts[mask] for name, counts in self.quality.items()},
            outside=self.outside[mask],
            top=self.top[mask],
        )

    @property
    def windows(self) -> int:
        """Windows with enough values."""
        return int((self.known >= LEAST_KNOWN).sum())

    def usual(self, known: int) -> Mapping[Channel, tuple[Floats, Floats, float]]:
        """The distances that windows of ``known`` values have, their scores (NaN: too few values) and the scale.

        A larger reference window is thinned to as many values at random, always the same ones: a small window is as far
        from the reference as a small reference window is. The right answer doesn't depend on the traffic.
        """
        size = int(_STEP ** int(np.log(max(known, LEAST_KNOWN)) / np.log(_STEP)))
        # One and the same answer for all windows that are larger than the reference's.
        size = min(size, int(self.known.max(initial=0)))
        if size not in self._usual:
            self._usual[size] = self._measure(size)
        return self._usual[size]

    def _measure(self, size: int) -> Mapping[Channel, tuple[Floats, Floats, float]]:
        enough = self.known >= LEAST_KNOWN
        cells, outside, top = self._thinned(size)
        known = np.maximum(np.minimum(self.known, np.where(self.known > size * _STEP, size, self.known)), 1)
        pools = self.cells.sum(axis=0)[None, :] - self.cells
        distances = {
            Channel.FROZEN: top / known,
            Channel.RANGE: outside / known,
            Channel.SHAPE: shape_distance(cells.astype(np.float64), pools.astype(np.float64)),
        }
        found = {}
        for channel in DISTANCES:
            scale = self._scale(channel, size)
            scores = np.full(len(known), np.nan)
            if enough.sum() >= 2:
                scores[enough] = leave_one_out(distances[channel][enough], scale)
            found[channel] = (distances[channel][enough], scores, scale)
        return found

    def _scale(self, channel: Channel, size: int) -> float:
        """The least mean excess of a tail: what chance alone gives."""
        if channel is Channel.RANGE:
            return RANGE_SCALE
        if channel is Channel.FROZEN:
            share = float(self.top.sum() / max(self.known.sum(), 1))
            return FROZEN_SCALE + float(np.sqrt(share * (1 - share) / max(size, 1)))
        # Of a chi-square with B - 1 degrees of freedom, in the units of the divergence.
        freedom = max(self.cells.shape[1] - 1, 1)
        return float(np.sqrt(2 * freedom) / (8 * np.log(2)) / max(size, 1))

    def _thinned(self, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        cells, outside, top = self.cells.copy(), self.outside.copy(), self.top.copy()
        for place in np.flatnonzero(self.known > size * _STEP).tolist():
            draw = np.random.default_rng([zlib.crc32(self.name.encode()), place, size])
            known, inside = int(self.known[place]), int(self.cells[place].sum())
            # Of text, unseen words are known but in no cell.
            taken = size if inside == known else int(draw.hypergeometric(inside, known - inside, size))
            cells[place] = draw.multivariate_hypergeometric(self.cells[place], taken, method="marginals")
            for counts in (outside, top):
                counts[place] = draw.hypergeometric(int(counts[place]), known - int(counts[place]), size)
        return cells, outside, top

    def distances(self, counts: FeatureCounts) -> Mapping[Channel, float]:
        """Measure a window's distances from all reference windows together."""
        cells = np.zeros(self.cells.shape[1], dtype=np.float64)
        np.add.at(cells, self.places, np.asarray(cells_of(counts), dtype=np.float64))
        known = max(counts.known, 1)
        pool = self.cells.sum(axis=0).astype(np.float64)
        return {
            Channel.FROZEN: top_of(counts) / known,
            Channel.RANGE: outside_of(counts) / known,
            Channel.SHAPE: float(shape_distance(cells, pool)),
        }


def outside_of(counts: FeatureCounts | None) -> int:
    """Count the values that training never saw; of text, unseen words are a matter of quality."""
    return counts.below + counts.above if isinstance(counts, NumberCounts) else 0


def top_of(counts: FeatureCounts | None) -> int:
    """Count the rows of the most frequent value."""
    if counts is None:
        return 0
    if isinstance(counts, NumberCounts):
        most = counts.most
        return most[1] if most else 0
    return max([*counts.bins, *(count for _, count in counts.names)], default=0)


def _slide(values: NDArray[np.int64], horizon: int) -> NDArray[np.int64]:
    """Add each entry and the next ones up."""
    if horizon == 1:
        return values
    upto = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0)])
    return np.asarray(upto[horizon:] - upto[:-horizon], dtype=np.int64)


def _tops(counts: Sequence[FeatureCounts | None], horizon: int) -> NDArray[np.int64]:
    if horizon == 1:
        return np.asarray([top_of(entry) for entry in counts], dtype=np.int64)
    words = [_words(entry) for entry in counts]
    found = []
    for start in range(len(counts) - horizon + 1):
        together: Counter[Any] = Counter()
        for each in words[start : start + horizon]:
            together.update(each)
        found.append(max(together.values(), default=0))
    return np.asarray(found, dtype=np.int64)


def _words(counts: FeatureCounts | None) -> Mapping[Any, int]:
    if counts is None:
        return {}
    if isinstance(counts, NumberCounts):
        return dict(counts.top)
    return {**dict(enumerate(counts.bins)), **dict(counts.names)}
