"""What later judgements of a version's performance start from: its baselines, its calibration, its expected losses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from headwater.declare import Metric, Model
from headwater.monitoring.performance import estimated, realised
from headwater.monitoring.performance.calibration import Calibration, calibration
from headwater.monitoring.performance.direct import LARGEST, OUTPUT, DirectLoss, Trees, coded
from headwater.monitoring.performance.distributions import Z, chi_square_quantile, t_quantile
from headwater.monitoring.performance.estimator import Estimator
from headwater.monitoring.performance.types import FEWEST_ROWS, Baseline, DayBaseline, Figures
from headwater.training.dataset import Rows
from headwater.training.trees import Tree, ensemble_of
from headwater.training.types import ASKED

FEWEST_DAYS = 3
"""Held-out days, below which nothing is said of how days differ."""
FEWEST_FITTED = 200
"""Held-out rows, below which no losses are fitted."""
FOLDS = 5
WORDS = 31
"""Words of a column of text that a loss is fitted by."""
MOST_VALUES = 31
"""Values of a column that are segments of their own."""
ROUNDS, LEAVES, RATE = 40, 8, 0.1
FEWEST_IN_LEAF = 20
SPREAD_DOUBT = 0.25
"""Probability that days would differ less than they do, if their spread were as large as is assumed."""
CERTAIN = 2.0
"""Standard errors by which fitted losses must beat the mean loss."""


def estimator(model: Model, run_id: str, train: Rows, held_out: Rows, predictions: Any) -> Estimator:
    """Measure a fitted model on its held-out rows, and learn to estimate it.

    Parameters
    ----------
    model : Model
    run_id : str
    train : Rows
        Their most frequent values are the segments.
    held_out : Rows
        In the order of time, if they have one.
    predictions : array
        What the graph says of the held-out rows.
    """
    outputs = numpy.asarray(predictions, dtype="float64").ravel()
    labels = numpy.asarray(held_out.label, dtype="float64")
    days = _days(held_out)
    facts: dict[str, Any] = {"model": model.name, "run_id": run_id, "task": model.task}

    def measured(rows: NDArray[Any]) -> Figures:
        return realised.of_rows(model.task, outputs[rows], labels[rows])

    everything = numpy.arange(len(labels))
    facts["baselines"] = baselines(measured(everything), [measured(rows) for rows in days])
    facts["segments"] = {
        name: found
        for name, rows in segment_rows(model, train, held_out).items()
        if (found := baselines(measured(rows), [measured(part) for part in _parts(rows, days)]))
    }
    if model.task == "classification":
        curve = calibration(outputs, labels)
        crossed = _crossed_probabilities(outputs, labels)
        facts["calibration"] = curve
        facts["estimated"] = baselines(
            estimated.of_outputs(curve, outputs),
            [estimated.of_probabilities(outputs[rows], crossed[rows]) for rows in days],
        )
    else:
        direct, reason, losses = _direct(model, held_out, outputs, labels)
        facts |= {"direct": direct, "reason": reason}
        if direct is not None:
            columns = {name: held_out.columns[name] for name in model.columns}
            facts["estimated"] = baselines(
                estimated.of_losses(direct, estimated.counted(*direct.expected(columns, outputs))),
                [estimated.of_losses(direct, estimated.counted(losses[0][rows], losses[1][rows])) for rows in days],
            )
    return Estimator.model_validate(facts)


def _days(held_out: Rows) -> list[NDArray[Any]]:
    """Positions of the rows of each day, UTC; none without times."""
    if ASKED not in held_out.asked.columns:
        return []
    asked = held_out.asked[ASKED].to_numpy().astype("datetime64[D]")
    known = numpy.flatnonzero(~numpy.isnat(asked))
    found, places = numpy.unique(asked[known], return_inverse=True)
    return [known[places == place] for place in range(len(found))]


def _parts(rows: NDArray[Any], days: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """A segment's rows of each day that has enough of them."""
    if len(rows) < FEWEST_DAYS * FEWEST_ROWS:
        return []
    parts = (numpy.intersect1d(rows, day, assume_unique=True) for day in days)
    return [part for part in parts if len(part) >= FEWEST_ROWS]


def baselines(whole: Figures, days: Sequence[Figures]) -> dict[Metric, Baseline]:
    """Baselines of the metrics that have a value."""
    return {
        metric: Baseline(
            value=figure.value, low=figure.low, high=figure.high, rows=figure.rows, day=_of_days(metric, days)
        )
        for metric, figure in whole.items()
        if figure.value is not None
    }


def _of_days(metric: Metric, days: Sequence[Figures]) -> DayBaseline | None:
    """The mean of single days and the spread between them, by random effects.

    A row's variance is taken to be the same on each day: a day whose own estimate of it is small by chance is as a rule
    a day whose figure is good by chance, and would weigh too much. The spread of few days is itself uncertain; it is
    the largest one that the days' distances don't contradict at one of four (W. Viechtbauer, Statistics in Medicine 26,
    2007, the Q-profile).
    """
    found = [(figure.value, figure.width / (2 * Z), figure.rows) for day in days
             if (figure := day[metric]).value is not None and figure.width > 0]  # fmt: skip
    if len(found) < FEWEST_DAYS:
        return None
    values, errors, rows = (numpy.asarray(column, dtype="float64") for column in zip(*found, strict=True))
    within = float((errors**2 * rows).mean()) / rows
    target = chi_square_quantile(SPREAD_DOUBT, len(values) - 1)

    def weighed(between: float) -> tuple[float, float, float]:
        weights = 1 / (within + between)
        mean = float(weights @ values / weights.sum())
        return mean, float(weights @ (values - mean) ** 2), float(weights.sum())

    low, high = 0.0, float(((values - values.mean()) ** 2).sum()) + float(within.max())
    while weighed(high)[1] > target:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if weighed(middle)[1] > target else (low, middle)
    mean, _, weight = weighed(high)
    half = t_quantile(len(values) - 1) / math.sqrt(weight)
    return DayBaseline(value=mean, low=mean - half, high=mean + half, spread=math.sqrt(high), days=len(values))


def segment_rows(model: Model, train: Rows, held_out: Rows) -> dict[str, NDArray[Any]]:
    """Positions of the held-out rows of each segment: a column's most frequent values in training, others, missing."""
    found = {}
    for column in (name.replace(".", "__") for name in model.monitoring.segments):
        if column not in model.categories:
            continue
        known = train.columns[column][train.columns[column] != ""]
        counts = sorted(known.value_counts().items(), key=lambda entry: (-entry[1], str(entry[0])))
        values = [str(name) for name, _ in counts[:MOST_VALUES]]
        given = held_out.columns[column].to_numpy()
        for value in values:
            shown = f"\\{value}" if value.startswith(("(", "\\")) else value
            found[f"{column}={shown}"] = numpy.flatnonzero(given == value)
        missing = given == ""
        found[f"{column}=(other)"] = numpy.flatnonzero(~missing & ~numpy.isin(given, values))
        found[f"{column}=(missing)"] = numpy.flatnonzero(missing)
    return {name: rows for name, rows in found.items() if len(rows)}


def folds(count: int) -> list[NDArray[Any]]:
    """Stretches of neighbouring rows: what is near in time is never on both sides of a test."""
    return numpy.array_split(numpy.arange(count), FOLDS)


def _crossed_probabilities(outputs: NDArray[Any], labels: NDArray[Any]) -> NDArray[Any]:
    """Probability of each row by a curve that was fitted without the row."""
    found = numpy.empty(len(outputs))
    for rows in folds(len(outputs)):
        others = numpy.setdiff1d(numpy.arange(len(outputs)), rows)
        curve = calibration(outputs[others], labels[others]) if len(others) else Calibration()
        found[rows] = curve.probability(outputs[rows])
    return found


def _direct(
    model: Model, held_out: Rows, outputs: NDArray[Any], labels: NDArray[Any]
) -> tuple[DirectLoss | None, str, tuple[NDArray[Any], NDArray[Any]]]:
    """Trees of the losses if they beat the mean loss, else why there are none; and each row's losses by others' trees.

    A fold's trees are fitted to the other folds' rows. They are kept if their squared distance from the true losses is
    below that of the other folds' mean by two standard errors.
    """
    errors = numpy.abs(outputs - labels)
    losses = (errors, errors**2)
    nothing = (numpy.empty(0), numpy.empty(0))
    if len(outputs) < FEWEST_FITTED:
        return None, f"{len(outputs)} held-out rows, fewer than {FEWEST_FITTED}", nothing
    if not errors.any():
        return None, "the held-out rows have no errors to learn from", nothing
    columns = (*model.columns, OUTPUT)
    crossed = [numpy.empty(len(outputs)) for _ in losses]
    gains = numpy.empty(len(outputs))
    for rows in folds(len(outputs)):
        others = numpy.setdiff1d(numpy.arange(len(outputs)), rows)
        words = _words(model, held_out, errors, others)
        table = _table(columns, words, held_out.columns, outputs)
        for loss, found in zip(losses, crossed, strict=True):
            found[rows] = numpy.maximum(_fit(table[others], loss[others]).predict(table[rows]), 0.0)
        gains[rows] = (errors[rows] - errors[others].mean()) ** 2 - (errors[rows] - crossed[0][rows]) ** 2
    certainty = float(gains.mean()) / max(float(gains.std()) / math.sqrt(len(gains)), 1e-300)
    if certainty < CERTAIN:
        return (
            None,
            "no estimate of a prediction's error beats the mean error on rows beside those it was fitted to",
            nothing,
        )
    words = _words(model, held_out, errors, numpy.arange(len(outputs)))
    table = _table(columns, words, held_out.columns, outputs)
    noise = [_noise(loss, found) for loss, found in zip(losses, crossed, strict=True)]
    direct = DirectLoss(
        columns=columns,
        words=words,
        absolute=trees_of(_fit(table, losses[0])),
        squared=trees_of(_fit(table, losses[1])),
        absolute_noise=noise[0],
        squared_noise=noise[1],
        gain=float(gains.mean() / errors.var()),
    )
    return direct, "", (crossed[0], crossed[1])


def _noise(loss: NDArray[Any], expected: NDArray[Any]) -> float:
    return float((loss - expected).std() / loss.mean())


def _fit(table: NDArray[Any], loss: NDArray[Any]) -> HistGradientBoostingRegressor:
    learner = HistGradientBoostingRegressor(
        max_iter=ROUNDS,
        learning_rate=RATE,
        max_leaf_nodes=LEAVES,
        min_samples_leaf=max(FEWEST_IN_LEAF, len(loss) // 100),
        early_stopping=False,
        random_state=0,
    )
    return learner.fit(table, loss)


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
