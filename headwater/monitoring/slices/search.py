"""The search: single columns first, then pairs within the slices that lose most (a beam).

What is found is significant after Benjamini and Hochberg's correction for all that was looked at.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwater.errors import InvalidRequest
from headwater.monitoring.drift.judging import benjamini_hochberg
from headwater.monitoring.performance.cells import Floats, numbers
from headwater.monitoring.performance.distributions import t_quantile, t_tails
from headwater.monitoring.slices.coding import CodedColumn, coded
from headwater.monitoring.slices.types import ErrorAnalysis, Slice

FEWEST_ROWS = 50
BEAM = 20
"""Slices of one column from which pairs are searched."""
RATE = 0.1
"""Share of what is found that is chance."""
MUCH_WORSE = 1.5
EXPLAINED = 0.05
"""A slice that loses more than others by chance alone, once a pair within it is left out, is that pair's shadow."""


@dataclass(frozen=True)
class _Found:
    """A candidate: places of columns and codes, with the sums of its rows."""

    keys: tuple[tuple[int, int], ...]
    rows: float
    mean: float
    variance: float
    p: float


def worst_slices(
    columns: Mapping[str, Any],
    loss: Any,
    *,
    edges: Mapping[str, Sequence[float]] | None = None,
    reference: tuple[Mapping[str, Any], Any] | None = None,
    most: int = 20,
) -> ErrorAnalysis:
    """Find the slices whose rows lose more than all other rows.

    Parameters
    ----------
    columns : mapping
        Arrays or sequences by name, n rows each: numbers (None and NaN are missing) or text (None and "" are).
    loss : array, shape (n,)
        What each labelled row loses (`headwater.monitoring.performance.metrics.loss_of_rows`).
    edges : mapping, optional
        For columns of numbers the training's quantiles, ascending; by default those of the rows.
    reference : tuple, optional
        Columns and losses of other rows in which the same slices are looked up: of the last version, or held out.
    most : int
        Slices that are given at most.

    Raises
    ------
    InvalidRequest
        A column has another length than the losses, or a loss isn't finite.
    """
    losses = numbers("loss", loss)
    _check(columns, losses)
    mean = float(losses.mean()) if len(losses) else None
    if len(losses) < 2 * FEWEST_ROWS:
        return ErrorAnalysis(rows=len(losses), loss=mean, reason=f"{len(losses)} rows, fewer than {2 * FEWEST_ROWS}")
    if not float(losses.std()):
        return ErrorAnalysis(rows=len(losses), loss=mean, reason="all rows lose the same")
    encoded = [coded(name, values, (edges or {}).get(name)) for name, values in columns.items()]
    search = _Search(encoded, losses)
    singles = search.singles()
    candidates = singles + search.pairs(singles)
    adjusted = benjamini_hochberg([entry.p for entry in candidates]) if candidates else []
    kept = [(entry, q) for entry, q in zip(candidates, adjusted, strict=True) if q <= RATE]
    kept.sort(key=lambda pair: -pair[0].rows * (pair[0].mean - search.mean))
    slices = [search.slice(entry, q) for entry, q in search.telling(kept)[:most]]
    if reference is not None and slices:
        slices = _compared(slices, encoded, *reference)
    return ErrorAnalysis(rows=len(losses), loss=mean, searched=len(candidates), slices=tuple(slices))


def _check(columns: Mapping[str, Any], losses: Floats) -> None:
    for name, values in columns.items():
        if len(values) != len(losses):
            raise InvalidRequest(f"column {name!r} has {len(values):,} rows, but there are {len(losses):,} losses")
    if (bad := np.flatnonzero(~np.isfinite(losses))).size:
        raise InvalidRequest(f"row {bad[0]}: the loss is {losses[bad[0]]}, expected a finite number")


class _Search:
    """Sums of slices of rows, each column counted at once."""

    def __init__(self, columns: Sequence[CodedColumn], losses: Floats) -> None:
        self._columns, self._losses = columns, losses
        self.mean = float(losses.mean())
        # Around the mean, so that differences keep their digits.
        self._centred = losses - self.mean
        self._squares = self._centred**2
        self._rows = len(losses)
        self._total = float(self._centred.sum())
        self._total_squares = float(self._squares.sum())

    def singles(self) -> list[_Found]:
        """Every value of every column with enough rows on both sides."""
        found: list[_Found] = []
        for place, column in enumerate(self._columns):
            counts, sums, squares = self._sums(column.codes, self._centred, self._squares, len(column.conditions))
            whole = (float(self._rows), self._total, self._total_squares)
            p = self._against((counts, sums, squares), whole)
            usable = np.flatnonzero(self._usable(counts, whole[0])).tolist()
            found.extend(self._found(((place, n),), counts[n], sums[n], squares[n], p[n]) for n in usable)
        return found

    def pairs(self, singles: Sequence[_Found]) -> list[_Found]:
        """Slices within those of the beam; a pair must lose more than the rest of each of its two columns' slices.

        Its p-value is the largest of three: beside all other rows, and beside the other rows of either slice. So a pair
        isn't found only because one of its columns is.
        """
        beam = sorted(singles, key=lambda entry: entry.p)[:BEAM]
        alone = {entry.keys[0]: entry for entry in singles}
        whole, found, seen = (float(self._rows), self._total, self._total_squares), [], set()
        for parent in beam:
            ((place, code),) = parent.keys
            rows = np.flatnonzero(self._columns[place].codes == code)
            centred, squared = self._centred[rows], self._squares[rows]
            inside = (float(len(rows)), float(centred.sum()), float(squared.sum()))
            for other, column in enumerate(self._columns):
                if other == place:
                    continue
                sums = self._sums(column.codes[rows], centred, squared, len(column.conditions))
                usable = np.flatnonzero(self._usable(sums[0], inside[0])).tolist()
                if not usable:
                    continue
                p = np.maximum(self._against(sums, inside), self._against(sums, whole))
                for value in usable:
                    keys = tuple(sorted(((place, code), (other, value))))
                    partner = alone.get((other, value))
                    if keys in seen or partner is None:
                        continue
                    seen.add(keys)
                    one = tuple(column[value : value + 1] for column in sums)
                    beside = self._against(one, self._whole_of(partner)) if partner.rows > sums[0][value] else [1.0]  # type: ignore[arg-type]
                    worst = max(float(p[value]), float(beside[0]))
                    found.append(self._found(keys, sums[0][value], sums[1][value], sums[2][value], worst))
        return found

    def telling(self, kept: Sequence[tuple[_Found, float]]) -> list[tuple[_Found, float]]:
        """Leave out what another slice says better.

        A pair stays if its rows are half as far again above the mean as those of its wider slices. A wider slice stays
        if it loses more than others without the pairs that stay. Of slices that are the same rows, as of two columns
        that say the same, the first one stays.
        """
        wide = {entry.keys[0]: entry.mean - self.mean for entry, _ in kept if len(entry.keys) == 1}
        found: list[tuple[_Found, float]] = []
        seen: set[tuple[float, float]] = set()
        for entry, q in kept:
            parents = [wide[key] for key in entry.keys if key in wide]
            same = (entry.rows, round(entry.mean, 12))
            if same in seen or (
                len(entry.keys) == 2 and parents and entry.mean - self.mean < MUCH_WORSE * max(parents)
            ):
                continue
            seen.add(same)
            found.append((entry, q))
        pairs = [entry for entry, _ in found if len(entry.keys) == 2]
        return [(entry, q) for entry, q in found if len(entry.keys) == 2 or not self._is_shadow(entry, pairs)]

    def _is_shadow(self, entry: _Found, pairs: Sequence[_Found]) -> bool:
        within = [pair for pair in pairs if entry.keys[0] in pair.keys]
        if not within:
            return False
        rows = self._rows_of(entry)
        for pair in within:
            rows = rows & ~self._rows_of(pair)
        if rows.sum() < FEWEST_ROWS:
            return True
        sums = tuple(np.asarray([part]) for part in (rows.sum(), self._centred[rows].sum(), self._squares[rows].sum()))
        p = self._against(sums, (float(self._rows), self._total, self._total_squares))  # type: ignore[arg-type]
        return float(p[0]) > EXPLAINED

    def _rows_of(self, entry: _Found) -> NDArray[np.bool_]:
        found = np.ones(self._rows, dtype=bool)
        for place, code in entry.keys:
            found &= self._columns[place].codes == code
        return found

    def slice(self, entry: _Found, q: float) -> Slice:
        """A candidate with all that is said of it."""
        rest = self._rows - entry.rows
        inside = entry.rows * (entry.mean - self.mean)
        others = (self._total - inside) / rest
        spread = self._total_squares - entry.rows * (entry.variance + (entry.mean - self.mean) ** 2)
        variance = max(0.0, spread / rest - others**2)
        excess = entry.mean - self.mean - others
        error = math.sqrt(entry.variance / max(entry.rows - 1, 1) + variance / max(rest - 1, 1))
        half = t_quantile(entry.rows - 1) * error
        return Slice(
            conditions=tuple(self._columns[place].conditions[code] for place, code in entry.keys),
            rows=int(entry.rows),
            loss=entry.mean,
            excess=excess,
            low=excess - half,
            high=excess + half,
            share_of_rows=entry.rows / self._rows,
            share_of_loss=entry.rows * entry.mean / total if (total := self.mean * self._rows) else 0.0,
            q=min(1.0, q),
        )

    @staticmethod
    def _sums(codes: NDArray[np.int64], centred: Floats, squares: Floats, size: int) -> tuple[Floats, Floats, Floats]:
        return (
            np.bincount(codes, minlength=size).astype(np.float64),
            np.bincount(codes, centred, minlength=size).astype(np.float64),
            np.bincount(codes, squares, minlength=size).astype(np.float64),
        )

    @staticmethod
    def _usable(counts: Floats, rows: float) -> NDArray[np.bool_]:
        return (counts >= FEWEST_ROWS) & (rows - counts >= FEWEST_ROWS)

    @staticmethod
    def _against(sums: tuple[Floats, Floats, Floats], whole: tuple[float, float, float]) -> Floats:
        """One-sided p of each slice's mean loss beside that of the whole's other rows (B. Welch, 1947)."""
        counts, totals, squares = sums
        rest = whole[0] - counts
        usable = (counts > 1) & (rest > 1)
        n, m = np.where(usable, counts, 2.0), np.where(usable, rest, 2.0)
        inside, outside = totals / n, (whole[1] - totals) / m
        # A slice of equal losses has no spread of its own: that of all rows stands in for a part of a row.
        floor = whole[2] / max(whole[0], 1.0)
        first = (np.maximum(squares / n - inside**2, 0.0) * n + floor) / (n - 1) / n
        second = (np.maximum((whole[2] - squares) / m - outside**2, 0.0) * m + floor) / (m - 1) / m
        error = first + second
        degrees = error**2 / np.maximum(first**2 / (n - 1) + second**2 / (m - 1), 1e-300)
        p = t_tails((inside - outside) / np.sqrt(np.maximum(error, 1e-300)), np.maximum(degrees, 1.0))
        return np.where(usable, p, 1.0)

    def _found(self, keys: Any, count: float, total: float, squares: float, p: float) -> _Found:
        mean = total / count
        return _Found(keys, float(count), float(mean + self.mean), max(0.0, float(squares / count - mean**2)), float(p))

    def _whole_of(self, entry: _Found) -> tuple[float, float, float]:
        mean = entry.mean - self.mean
        return entry.rows, entry.rows * mean, entry.rows * (entry.variance + mean**2)


def _compared(
    slices: Sequence[Slice], encoded: Sequence[CodedColumn], others: Mapping[str, Any], given: Any
) -> list[Slice]:
    """The slices with their excess in other rows; slices of columns that those lack have none."""
    losses = numbers("loss", given)
    _check(others, losses)
    masks: dict[str, NDArray[np.bool_]] = {}
    for column in encoded:
        if column.name in others:
            codes = column.of_others(others[column.name])
            masks |= {condition: codes == code for code, condition in enumerate(column.conditions)}
    found = []
    for entry in slices:
        inside = np.ones(len(losses), dtype=bool)
        known = all(condition in masks for condition in entry.conditions)
        for condition in entry.conditions if known else ():
            inside &= masks[condition]
        if not known or inside.sum() < FEWEST_ROWS or (~inside).sum() < FEWEST_ROWS:
            found.append(entry)
            continue
        first, second = losses[inside], losses[~inside]
        before = float(first.mean() - second.mean())
        error = math.hypot(
            (entry.high - entry.low) / (2 * t_quantile(entry.rows - 1)),
            math.sqrt(float(first.var()) / (len(first) - 1) + float(second.var()) / (len(second) - 1)),
        )
        change = entry.excess - before
        # As many comparisons as slices: Bonferroni.
        p = float(t_tails(change / max(error, 1e-300), len(first) - 1)) * len(slices)
        found.append(entry.model_copy(update={"before": before, "change": change, "is_new": p <= 0.05}))
    return found
