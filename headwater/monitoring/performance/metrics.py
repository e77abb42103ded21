"""The metrics by which models are trained, judged and watched: one definition of each.

Their values are those of scikit-learn, which tests hold them against; here NumPy suffices.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from headwater.declare import LOWER_IS_BETTER, Metric
from headwater.monitoring.performance.cells import Cells, Floats

CLASSIFICATION: tuple[Metric, ...] = ("roc_auc", "average_precision", "log_loss", "brier", "accuracy")
REGRESSION: tuple[Metric, ...] = ("rmse", "mae", "r2")
RANKED: frozenset[Metric] = frozenset({"roc_auc", "average_precision"})
"""Metrics of the order of scores: they need both classes."""
THRESHOLD = 0.5
"""A score of at least this counts as class 1 in the accuracy."""
_EPSILON = float(np.finfo(np.float64).eps)


def of_task(task: str) -> tuple[Metric, ...]:
    """Metrics of classifiers or of regressions."""
    return CLASSIFICATION if task == "classification" else REGRESSION


def worse_by(metric: Metric, value: float, than: float) -> float:
    """How much worse a value is than another one, in the metric's unit; negative if it is better."""
    return value - than if metric in LOWER_IS_BETTER else than - value


def measure(task: str, label: Any, predicted: Any) -> dict[str, float]:
    """Every metric of the task that is defined on these rows (a single class has no ROC curve).

    Parameters
    ----------
    task : {"classification", "regression"}
    label, predicted : array, shape (n,)
    """
    labels, outputs = np.asarray(label, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if not len(labels):
        return {}
    if task == "classification":
        # Sums of float32 may pass 1 by a hair.
        cells = Cells.of_rows(np.clip(outputs, 0.0, 1.0), labels)
        found = {metric: of_cells(metric, cells) for metric in CLASSIFICATION}
    else:
        found = {metric: of_errors(metric, labels, outputs) for metric in REGRESSION}
    return {metric: value for metric, value in found.items() if value is not None and math.isfinite(value)}


def of_cells(metric: Metric, cells: Cells) -> float | None:
    """A classifier's metric; None if it is undefined, as without rows or of a single class."""
    positives, negatives = float(cells.positive.sum()), float(cells.negative.sum())
    if metric not in CLASSIFICATION or positives + negatives <= 0:
        return None
    if metric in RANKED:
        if positives <= 0 or negatives <= 0:
            return None
        return roc_auc(cells) if metric == "roc_auc" else average_precision(cells)
    of_ones, of_zeros = row_losses(metric, cells.score)
    return float((cells.positive @ of_ones + cells.negative @ of_zeros) / (positives + negatives))


def roc_auc(cells: Cells) -> float:
    """Probability that a row of class 1 has the higher score; equal scores count half (Hanley, McNeil 1982)."""
    below = np.cumsum(cells.negative) - cells.negative / 2
    return float(cells.positive @ below / (cells.positive.sum() * cells.negative.sum()))


def average_precision(cells: Cells) -> float:
    """Precision at each score, weighted by the recall that is gained there; without interpolation."""
    found, taken = above(cells.positive), above(cells.total)
    # A group without weight gains no recall, and may be the first one.
    return float(cells.positive @ (found / np.where(taken > 0, taken, 1)) / cells.positive.sum())


def above(weights: Floats) -> Floats:
    """Weight of each group and all those of higher scores."""
    return np.cumsum(weights[::-1])[::-1]


def row_losses(metric: Metric, score: Floats) -> tuple[Floats, Floats]:
    """A row's loss at each score: if its label is 1, and if it is 0. The accuracy's is 1 where it is right."""
    if metric == "brier":
        return (1 - score) ** 2, score**2
    if metric == "accuracy":
        right = (score >= THRESHOLD).astype(np.float64)
        return right, 1 - right
    return -np.log(np.clip(score, _EPSILON, 1 - _EPSILON)), -np.log(np.clip(1 - score, _EPSILON, 1 - _EPSILON))


def of_errors(metric: Metric, label: Floats, output: Floats) -> float | None:
    """A regression's metric; None if it is undefined, as r2 of equal labels."""
    if not len(label):
        return None
    errors = output - label
    if metric == "mae":
        return float(np.abs(errors).mean())
    if metric == "rmse":
        return math.sqrt(float((errors**2).mean()))
    around = float(((label - label.mean()) ** 2).sum())
    return 1 - float((errors**2).sum()) / around if around else None


def loss_of_rows(task: str, label: Any, output: Any) -> Floats:
    """The loss of each row: log loss of a classifier, squared error of a regression, shape (n,)."""
    labels, outputs = np.asarray(label, dtype=np.float64), np.asarray(output, dtype=np.float64)
    if task != "classification":
        return np.asarray((outputs - labels) ** 2)
    of_ones, of_zeros = row_losses("log_loss", np.clip(outputs, 0.0, 1.0))
    return np.where(labels == 1, of_ones, of_zeros)
