"""A classifier's metrics with 95% intervals, from groups of rows by score."""

from __future__ import annotations

import math

import numpy as np

from headwater.declare import Metric
from headwater.monitoring.performance.cells import Cells, Floats
from headwater.monitoring.performance.distributions import t_quantile
from headwater.monitoring.performance.metrics import RANKED, above, of_cells, row_losses
from headwater.monitoring.performance.types import FEWEST_OF_A_CLASS, FEWEST_ROWS, Figure
from headwater.monitoring.shares import Z, wilson


def figure(metric: Metric, cells: Cells, rows: int) -> Figure:
    """A classifier's metric with its interval.

    Parameters
    ----------
    metric : Metric
    cells : Cells
        Weighted or not; their labels may be expected ones.
    rows : int
        Rows that the figure is of.
    """
    if reason := lacking(metric, cells, rows):
        return Figure(metric=metric, rows=rows, reason=reason)
    value = of_cells(metric, cells)
    if value is None or not math.isfinite(value):
        return Figure(metric=metric, rows=rows, reason="undefined on these rows")
    low, high = interval(metric, cells, value)
    return Figure(metric=metric, value=value, low=low, high=high, rows=rows)


def lacking(metric: Metric, cells: Cells, rows: int) -> str:
    """Why nothing can be told; empty if something can."""
    if not rows:
        return "no label"
    if rows < FEWEST_ROWS:
        return f"{rows} rows, fewer than {FEWEST_ROWS}"
    if metric not in RANKED:
        return ""
    smaller, name = min((_effective(cells.positive, cells.positive_squares), "1"),
                        (_effective(cells.negative, cells.negative_squares), "0"))  # fmt: skip
    if smaller < FEWEST_OF_A_CLASS - 1e-9:
        return f"{smaller:.0f} rows of class {name}, fewer than {FEWEST_OF_A_CLASS}"
    if np.count_nonzero(cells.total) < 2:
        return "all outputs are equal, so that they rank nothing"
    return ""


def interval(metric: Metric, cells: Cells, value: float) -> tuple[float, float]:
    """The 95% interval of a metric that is defined."""
    if metric == "accuracy":
        return wilson(value, cells.rows)
    if metric in RANKED:
        ones = _effective(cells.positive, cells.positive_squares)
        zeros = _effective(cells.negative, cells.negative_squares)
        error = math.sqrt(auc_variance(cells, value) if metric == "roc_auc" else precision_variance(cells, value))
        return on_logits(value, error, min(ones, zeros))
    error = math.sqrt(mean_variance(cells, *row_losses(metric, cells.score), value))
    half = t_quantile(max(1.0, cells.rows - 1)) * error
    return max(0.0, value - half), value + half if metric == "log_loss" else min(1.0, value + half)


def auc_variance(cells: Cells, value: float) -> float:
    """Variance of the area under the ROC curve, of its value (E. DeLong et al., Biometrics 44, 1988)."""
    ones, zeros = float(cells.positive.sum()), float(cells.negative.sum())
    of_ones = (np.cumsum(cells.negative) - cells.negative / 2) / zeros - value
    of_zeros = (above(cells.positive) - cells.positive / 2) / ones - value
    return _of_one_class(cells.positive, cells.positive_squares, of_ones) + _of_one_class(
        cells.negative, cells.negative_squares, of_zeros
    )


def _of_one_class(weights: Floats, squares: Floats, deviations: Floats) -> float:
    """Variance that the rows of a class add, with the divisor n - 1 where all weights are 1."""
    rows = _effective(weights, squares)
    total = float(weights.sum())
    return float(squares @ deviations**2) / total**2 * rows / max(rows - 1, 1.0)


def precision_variance(cells: Cells, value: float) -> float:
    """Variance of the average precision, of its value.

    It follows from its influence function: how much a row more at each score changes it.
    """
    ones, found, taken = float(cells.positive.sum()), above(cells.positive), above(cells.total)
    safe = np.where(taken > 0, taken, 1)
    # A row changes the precision at its own score and at all lower ones.
    more_taken = np.cumsum(cells.positive * found / safe**2)
    of_ones = (found / safe + np.cumsum(cells.positive / safe) - more_taken - value) / ones
    of_zeros = -more_taken / ones
    variance = float(cells.positive_squares @ of_ones**2 + cells.negative_squares @ of_zeros**2)
    rows = _effective(cells.positive, cells.positive_squares)
    return variance * rows / max(rows - 1, 1.0)


def mean_variance(cells: Cells, of_ones: Floats, of_zeros: Floats, mean: float) -> float:
    """Variance of a weighted mean of losses."""
    squares = float(cells.positive_squares @ (of_ones - mean) ** 2 + cells.negative_squares @ (of_zeros - mean) ** 2)
    rows = cells.rows
    return squares / float(cells.total.sum()) ** 2 * rows / max(rows - 1, 1.0)


def on_logits(value: float, error: float, fewest: float) -> tuple[float, float]:
    """Interval of a figure between 0 and 1 that is symmetric on the scale of logits.

    K. Boyd et al., ECML PKDD 2013, for the average precision; G. Qin, L. Hotilovac, Statistical Methods in Medical
    Research 17 (2008), for the area under the ROC curve. A perfect ranking has no spread: its interval is that of as
    many hits in a row as the smaller class has rows.
    """
    if value <= 0 or value >= 1 or error <= 0:
        reach = 1 - 0.025 ** (1 / max(fewest, 1.0))
        return max(0.0, value - reach), min(1.0, value + reach)
    logit, half = math.log(value / (1 - value)), Z * error / (value * (1 - value))
    return _expit(logit - half), _expit(logit + half)


def _expit(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))


def _effective(weights: Floats, squares: Floats) -> float:
    """Rows of weight 1 that say as much."""
    total = float(squares.sum())
    return float(weights.sum()) ** 2 / total if total > 0 else 0.0
