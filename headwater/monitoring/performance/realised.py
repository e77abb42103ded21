"""Performance from labels: of rows, or of counts that were merged from any number of parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from headwater.declare import Metric
from headwater.monitoring.performance import intervals, regressions
from headwater.monitoring.performance.cells import Cells, Floats, InvalidOutcomes, checked, numbers
from headwater.monitoring.performance.counts import ClassCounts, Counts, ErrorCounts, LossSums, Moments
from headwater.monitoring.performance.distributions import t_quantile
from headwater.monitoring.performance.metrics import of_task
from headwater.monitoring.performance.types import Figure, Figures
from headwater.monitoring.profiles.exact import fraction
from headwater.monitoring.shares import wilson


def of_rows(task: str, output: Any, label: Any, weights: Any = None) -> Figures:
    """Each metric of the task with its 95% interval, from rows.

    Parameters
    ----------
    task : {"classification", "regression"}
    output : array, shape (n,)
        Predictions: probabilities of class 1, or values.
    label : array, shape (n,)
        0 or 1, or values; None and NaN where it isn't known, and such rows are left out.
    weights : array, shape (n,), optional
        How many predictions each row stands for.

    Returns
    -------
    mapping
        A figure for each metric. One that can't be told has no value and says why; none is NaN.

    Raises
    ------
    InvalidOutcomes
        The lengths differ, an output isn't finite, a label isn't one that the task has, or a weight is negative.
    """
    outputs, labels = checked(task, output, label)
    given = None if weights is None else _weights(weights, ~np.isnan(numbers("label", label)))
    if task == "classification":
        cells = Cells.of_rows(np.clip(outputs, 0.0, 1.0), labels, given)
        return {metric: intervals.figure(metric, cells, len(labels)) for metric in of_task(task)}
    centred = labels - (np.median(labels) if len(labels) else 0.0)
    if given is None:
        strata, each = [Moments.of(outputs - labels, centred)], None
    else:
        # Rows of equal weight are a stratum.
        each, places = np.unique(given, return_inverse=True)
        strata = [Moments.of((outputs - labels)[places == n], centred[places == n]) for n in range(len(each))]
    return {metric: regressions.figure(metric, strata, each) for metric in of_task(task)}


def _weights(weights: Any, known: Any) -> Floats:
    found = numbers("weight", weights)
    if found.shape != known.shape:
        raise InvalidOutcomes(f"{found.shape} weights and {known.shape} labels, expected one weight for each label")
    if (bad := np.flatnonzero(~(np.isfinite(found) & (found >= 0)))).size:
        raise InvalidOutcomes(f"row {bad[0]}: the weight is {found[bad[0]]:g}, expected a number of at least 0")
    return np.asarray(found[known])


def of_counts(counts: Counts) -> Figures:
    """Each metric with its 95% interval, from counts.

    Accuracy, log loss, Brier score and a regression's metrics are exact. Ranking metrics take the rows of a score bin
    for equal.
    """
    if isinstance(counts, ErrorCounts):
        return {metric: regressions.figure(metric, counts.strata) for metric in of_task("regression")}
    cells = Cells.of_bins(counts.positive, counts.negative)
    return {metric: _of_classes(metric, counts, cells) for metric in of_task("classification")}


def _of_classes(metric: Metric, counts: ClassCounts, cells: Cells) -> Figure:
    found = intervals.figure(metric, cells, counts.rows)
    if found.value is None or metric in {"roc_auc", "average_precision"}:
        return found
    if metric == "accuracy":
        share = counts.right / counts.rows
        low, high = wilson(share, counts.rows)
        return found.model_copy(update={"value": share, "low": low, "high": high})
    value, error = _mean(counts.log_loss if metric == "log_loss" else counts.brier, counts.rows)
    half = t_quantile(counts.rows - 1) * error
    high = value + half if metric == "log_loss" else min(1.0, value + half)
    return found.model_copy(update={"value": value, "low": max(0.0, value - half), "high": high})


def _mean(sums: LossSums, rows: int) -> tuple[float, float]:
    """A mean and its standard error."""
    mean = fraction(sums.total) / rows
    variance = fraction(sums.squares) / rows - mean * mean
    return float(mean), math.sqrt(max(0.0, float(variance)) / max(rows - 1, 1))


def weighted(groups: Sequence[tuple[Counts, Floats]]) -> Figures:
    """Each metric of rows that stand for others.

    Parameters
    ----------
    groups : sequence of (Counts, array of float64)
        Counts of rows that are in no other group, with the weight of a row of each score bin, shape (bins + 2,) for a
        classifier, or of each stratum, shape (strata,), for a regression.
    """
    first = groups[0][0]
    rows = sum(counts.rows for counts, _ in groups)
    if isinstance(first, ErrorCounts):
        pairs = [(moments, weight) for counts, weights in groups if isinstance(counts, ErrorCounts)
                 for moments, weight in zip(counts.strata, weights, strict=True)]  # fmt: skip
        strata, each = [moments for moments, _ in pairs], np.asarray([weight for _, weight in pairs])
        return {metric: regressions.figure(metric, strata, each) for metric in of_task("regression")}
    cells = Cells.joined(
        [Cells.of_bins(counts.positive, counts.negative, weights) for counts, weights in groups
         if isinstance(counts, ClassCounts)]
    )  # fmt: skip
    return {metric: intervals.figure(metric, cells, rows) for metric in of_task("classification")}
