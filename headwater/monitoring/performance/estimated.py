"""Performance without labels: what it is if scores mean what they meant on held-out rows.

A classifier's scores say how often they are wrong: confidence-based estimation, as NannyML does it row by row (CBPE).
Here it is done once for each score bin. It sees inputs that are harder than usual; it can't see that the same inputs
have other outcomes than before, and is withdrawn for that (`headwater.monitoring.performance.withdrawal`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from headwater.declare import Metric
from headwater.monitoring.performance import intervals
from headwater.monitoring.performance.calibration import Calibration
from headwater.monitoring.performance.cells import Cells, Floats, counts_of, sums_of
from headwater.monitoring.performance.counts import LossSums
from headwater.monitoring.performance.direct import DirectLoss
from headwater.monitoring.performance.distributions import Z
from headwater.monitoring.performance.metrics import of_task
from headwater.monitoring.performance.pooled import MOST_EXACT, pooled
from headwater.monitoring.performance.types import FEWEST_ROWS, Figure, Figures
from headwater.monitoring.profiles.exact import fraction
from headwater.monitoring.profiles.types import NumberCounts
from headwater.values import Value


def of_scores(calibration: Calibration, scores: NumberCounts) -> Figures:
    """A classifier's metrics as its scores promise them.

    Parameters
    ----------
    calibration : Calibration
        Of the model version.
    scores : NumberCounts
        Counts of the score bins, with their sums, of a profile of any horizon or segment.

    Returns
    -------
    mapping
        A figure for each metric. Its interval is that of the realised figure which so many rows would give.
    """
    counts = counts_of(scores)
    filled = counts > 0
    means = sums_of(scores)[filled] / counts[filled]
    return _figures(calibration, np.clip(means, 0.0, 1.0), counts[filled], scores.known)


def of_outputs(calibration: Calibration, output: Floats, *, most_exact: int = MOST_EXACT) -> Figures:
    """A classifier's metrics as the scores of rows promise them.

    Parameters
    ----------
    calibration : Calibration
        Of the model version.
    output : array of float64, shape (n,)
    most_exact : int
        Rows up to which each row is taken by itself. Of more rows neighbouring scores are taken together (`pooled`);
        figures differ by less than 1e-3, and by 1e-6 to 1e-4 without a calibration.
    """
    return _figures(calibration, *pooled(output, most_exact=most_exact), len(output))


def of_probabilities(output: Floats, probability: Floats) -> Figures:
    """A classifier's metrics if each row is of class 1 with the probability that is given for it."""
    cells = Cells.of_rows(np.clip(output, 0.0, 1.0), probability)
    cells = Cells.plain(cells.score, cells.positive, cells.negative)
    return {metric: _figure(metric, cells, len(output)) for metric in of_task("classification")}


def _figures(calibration: Calibration, score: Floats, counts: Floats, rows: int) -> Figures:
    ones = calibration.probability(score)
    cells = Cells.plain(score, counts * ones, counts * (1 - ones))
    return {metric: _figure(metric, cells, rows) for metric in of_task("classification")}


def _figure(metric: Metric, cells: Cells, rows: int) -> Figure:
    found = intervals.figure(metric, cells, rows)
    return found.model_copy(update={"reason": "no prediction"}) if not rows else found


class LossCounts(Value):
    """Expected losses of a regression's predictions, which add up to those of any longer window."""

    rows: Annotated[int, Field(ge=0)] = 0
    absolute: LossSums = LossSums()
    squared: LossSums = LossSums()

    def __add__(self, other: LossCounts) -> LossCounts:
        return LossCounts(
            rows=self.rows + other.rows,
            absolute=self.absolute + other.absolute,
            squared=self.squared + other.squared,
        )


def expected_losses(direct: DirectLoss, columns: Mapping[str, Any], output: Any) -> LossCounts:
    """Count the expected losses of a part's predictions.

    Parameters
    ----------
    direct : DirectLoss
        Of the model version.
    columns : mapping
        Arrays by name: the model's columns.
    output : array, shape (n,)
    """
    return counted(*direct.expected(columns, output))


def counted(absolute: Floats, squared: Floats) -> LossCounts:
    """Count the expected losses of rows."""
    return LossCounts(rows=len(absolute), absolute=LossSums.of(absolute), squared=LossSums.of(squared))


def of_losses(direct: DirectLoss, losses: LossCounts) -> Figures:
    """A regression's metrics from expected losses; r2 needs the labels' variance, and can't be told."""
    return {
        "rmse": _mean_loss("rmse", losses.squared, direct.squared_noise, losses.rows),
        "mae": _mean_loss("mae", losses.absolute, direct.absolute_noise, losses.rows),
        "r2": Figure(metric="r2", rows=losses.rows, reason="the variance of labels can't be told without labels"),
    }


def _mean_loss(metric: Metric, sums: LossSums, noise: float, rows: int) -> Figure:
    if rows < FEWEST_ROWS:
        reason = f"{rows} rows, fewer than {FEWEST_ROWS}" if rows else "no prediction"
        return Figure(metric=metric, rows=rows, reason=reason)
    mean = float(fraction(sums.total)) / rows
    # How far the mean of so many rows is from the expected one: the spread grows with the errors.
    between = max(0.0, float(fraction(sums.squares)) / rows - mean**2)
    half = Z * math.sqrt(((noise * mean) ** 2 + between) / rows)
    low, high = max(0.0, mean - half), mean + half
    if metric == "rmse":
        mean, low, high = math.sqrt(mean), math.sqrt(low), math.sqrt(high)
    return Figure(metric=metric, value=mean, low=low, high=high, rows=rows)
