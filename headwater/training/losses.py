"""Trees that foretell a regression's errors, fitted to held-out rows and kept if they beat the mean error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from headwater.declare import Model
from headwater.monitoring.performance.direct import LARGEST, OUTPUT, DirectLoss, Trees, coded
from headwater.training.dataset import Rows
from headwater.training.trees import Tree, ensemble_of

FEWEST_FITTED = 200
"""Held-out rows, below which no losses are fitted."""
MOST_FITTED = 40_000
"""Rows, spread evenly over all, that trees are fitted to at most."""
FOLDS = 5
WORDS = 31
"""Words of a column of text that a loss is fitted by."""
ROUNDS, LEAVES, RATE = 40, 8, 0.1
FEWEST_IN_LEAF = 20
CERTAIN = 2.0
"""Standard errors by which fitted losses must beat the mean loss."""


class FittedLosses(NamedTuple):
    """Trees of the losses, or why there are none."""

    direct: DirectLoss | None
    reason: str = ""
    absolute: NDArray[Any] = numpy.empty(0)
    """Expected absolute error of each row, by trees that were fitted without the row."""
    squared: NDArray[Any] = numpy.empty(0)


class _Crossed(NamedTuple):
    expected: NDArray[Any]
    gain: float
    """Share of the variance that is explained."""
    certainty: float
    """The gain in its standard errors."""


def fit_losses(model: Model, held_out: Rows, outputs: NDArray[Any], labels: NDArray[Any]) -> FittedLosses:
    """Fit trees to the absolute and the squared errors of held-out rows.

    A fold's rows are foretold by trees that were fitted to the other folds' rows. Trees are kept if their squared
    distance from the true losses is below that of the other folds' mean by two standard errors. If only the absolute
    errors can be foretold, the squared ones are their mean.
    """
    errors = numpy.abs(outputs - labels)
    if len(outputs) < FEWEST_FITTED:
        return FittedLosses(None, f"{len(outputs)} held-out rows, fewer than {FEWEST_FITTED}")
    if not errors.any():
        return FittedLosses(None, "the held-out rows have no errors to learn from")
    columns = (*model.columns, OUTPUT)
    parts = []
    for rows in folds(len(outputs)):
        others = numpy.setdiff1d(numpy.arange(len(outputs)), rows)
        table = _table(columns, _words(model, held_out, errors, others), held_out.columns, outputs)
        parts.append((table, rows, others))
    absolute, squared = (_crossed(parts, loss) for loss in (errors, errors**2))
    if absolute.certainty < CERTAIN:
        why = "no estimate of a prediction's error beats the mean error on rows beside those it was fitted to"
        return FittedLosses(None, why)
    words = _words(model, held_out, errors, numpy.arange(len(outputs)))
    table = _table(columns, words, held_out.columns, outputs)
    of_squares = errors**2
    if squared.certainty < CERTAIN:
        squared = squared._replace(expected=numpy.full(len(errors), of_squares.mean()))
        trees = Trees(base=float(of_squares.mean()))
    else:
        trees = trees_of(_fit(table, of_squares))
    direct = DirectLoss(
        columns=columns,
        words=words,
        absolute=trees_of(_fit(table, errors)),
        squared=trees,
        absolute_noise=_noise(errors, absolute.expected),
        squared_noise=_noise(of_squares, squared.expected),
        gain=absolute.gain,
    )
    return FittedLosses(direct, "", absolute.expected, squared.expected)


def folds(count: int) -> list[NDArray[Any]]:
    """Stretches of neighbouring rows: rows that are near in time are never on both sides of a test."""
    return numpy.array_split(numpy.arange(count), FOLDS)


def _crossed(parts: Sequence[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]], loss: NDArray[Any]) -> _Crossed:
    expected, gains = numpy.empty(len(loss)), numpy.empty(len(loss))
    for table, rows, others in parts:
        expected[rows] = numpy.maximum(_fit(table[others], loss[others]).predict(table[rows]), 0.0)
        gains[rows] = (loss[rows] - loss[others].mean()) ** 2 - (loss[rows] - expected[rows]) ** 2
    certainty = float(gains.mean()) / max(float(gains.std()) / math.sqrt(len(gains)), 1e-300)
    return _Crossed(expected, float(gains.mean() / max(loss.var(), 1e-300)), certainty)


def _noise(loss: NDArray[Any], expected: NDArray[Any]) -> float:
    return float((loss - expected).std() / loss.mean())


def _fit(table: NDArray[Any], loss: NDArray[Any]) -> HistGradientBoostingRegressor:
    step = max(1.0, len(loss) / MOST_FITTED)
    chosen = numpy.arange(0, len(loss), step).astype("int64")
    learner = HistGradientBoostingRegressor(
        max_iter=ROUNDS,
        learning_rate=RATE,
        max_leaf_nodes=LEAVES,
        min_samples_leaf=max(FEWEST_IN_LEAF, len(chosen) // 100),
        early_stopping=False,
        random_state=0,
    )
    # One thread: sums of several depend on their number, and the same rows must give the same bytes everywhere.
    with threadpool_limits(1):
        return learner.fit(table[chosen], loss[chosen])


def _words(model: Model, held_out: Rows, errors: NDArray[Any], rows: NDArray[Any]) -> dict[str, tuple[str, ...]]:
    """The most frequent words of each column of text, ascending by their mean error, so that trees can split them."""
    found = {}
    for column in model.categories:
        given = held_out.columns[column].to_numpy()[rows]
        words, places, counts = numpy.unique(given.astype(str), return_inverse=True, return_counts=True)
        means = numpy.bincount(places, errors[rows]) / counts
        kept = [place for place in numpy.argsort(-counts, kind="stable")[: WORDS + 1] if words[place]][:WORDS]
        found[column] = tuple(str(words[place]) for place in sorted(kept, key=lambda place: (means[place], place)))
    return found


def _table(
    columns: Sequence[str], words: Mapping[str, tuple[str, ...]], frame: Any, outputs: NDArray[Any]
) -> NDArray[Any]:
    found = [
        outputs if name == OUTPUT else coded(frame[name], words[name]) if name in words
        else frame[name].to_numpy().astype("float32").astype("float64")
        for name in columns
    ]  # fmt: skip
    return numpy.column_stack(found)


def trees_of(learner: HistGradientBoostingRegressor) -> Trees:
    """A fitted learner's trees as arrays."""
    found = ensemble_of(learner)
    assert found is not None  # noqa: S101 - a regression of one value has trees
    starts = numpy.cumsum([0, *(len(tree.left) for tree in found.trees)])
    return Trees(
        base=found.base,
        roots=tuple(starts[:-1].tolist()),
        depth=max(map(_depth, found.trees), default=0),
        column=_all(found.trees, "feature"),
        threshold=tuple(min(max(value, -LARGEST), LARGEST) for value in _all(found.trees, "threshold")),
        left=_children(found.trees, starts, "left"),
        right=_children(found.trees, starts, "right"),
        missing_left=tuple(bool(way) for tree in found.trees for way in tree.missing_left),
        value=_all(found.trees, "value"),
    )


def _all(trees: Sequence[Tree], name: str) -> tuple[Any, ...]:
    return tuple(value for tree in trees for value in numpy.asarray(getattr(tree, name)).tolist())


def _children(trees: Sequence[Tree], starts: NDArray[Any], name: str) -> tuple[int, ...]:
    """Nodes among those of all trees; a leaf's child is the leaf."""
    found: list[int] = []
    for tree, start in zip(trees, starts, strict=False):
        leaf, places = numpy.asarray(tree.left) < 0, numpy.arange(len(tree.left))
        found.extend((numpy.where(leaf, places, getattr(tree, name)) + start).tolist())
    return tuple(found)


def _depth(tree: Tree) -> int:
    """The longest way from the root to a leaf."""
    depths, longest = {0: 0}, 0
    for node in range(len(tree.left)):
        if tree.left[node] >= 0:
            for child in (int(tree.left[node]), int(tree.right[node])):
                depths[child] = depths[node] + 1
                longest = max(longest, depths[child])
    return longest
