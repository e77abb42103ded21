"""Baselines, calibration and expected losses of a version, which later judgements of its performance start from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy
from numpy.typing import NDArray

from headwater.declare import Metric, Model
from headwater.monitoring.days.counting import segment_places
from headwater.monitoring.days.types import segment_names
from headwater.monitoring.performance import estimated, realised
from headwater.monitoring.performance.calibration import Calibration, calibration
from headwater.monitoring.performance.distributions import chi_square_quantile, t_quantile
from headwater.monitoring.performance.estimator import Estimator
from headwater.monitoring.performance.types import FEWEST_ROWS, Baseline, DayBaseline, Figures
from headwater.monitoring.shares import Z
from headwater.training.dataset import Rows
from headwater.training.describing import segment_columns, segments_of
from headwater.training.losses import fit_losses, folds
from headwater.training.types import ASKED

FEWEST_DAYS = 3
"""Held-out days, below which nothing is said of how days differ."""
SPREAD_DOUBT = 0.25
"""Probability that days would differ less than they do, if their spread were as large as is assumed."""


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

    def measured(rows: NDArray[Any]) -> Figures:
        return realised.of_rows(model.task, outputs[rows], labels[rows])

    everything = numpy.arange(len(labels))
    known = baselines(measured(everything), [measured(rows) for rows in days])
    facts: dict[str, Any] = {"model": model.name, "run_id": run_id, "task": model.task, "baselines": known}
    of_segments = segment_rows(model, train, held_out)
    facts["segments"] = {
        name: found
        for name, rows in of_segments.items()
        if (found := baselines(measured(rows), [measured(part) for part in _parts(rows, days)]))
    }

    def expected(of: Callable[[NDArray[Any]], Figures], of_day: Callable[[NDArray[Any]], Figures]) -> None:
        """Estimate all held-out rows and those of each segment: a segment's estimate is compared with its own."""
        facts["estimated"] = baselines(of(everything), [of_day(rows) for rows in days])
        facts["estimated_segments"] = {
            name: found
            for name, rows in of_segments.items()
            if (found := baselines(of(rows), [of_day(part) for part in _parts(rows, days)]))
        }

    if model.task == "classification":
        curve = calibration(outputs, labels)
        crossed = _crossed_probabilities(outputs, labels)
        facts["calibration"] = curve
        expected(
            lambda rows: estimated.of_outputs(curve, outputs[rows]),
            lambda rows: estimated.of_probabilities(outputs[rows], crossed[rows]),
        )
    else:
        losses = fit_losses(model, held_out, outputs, labels)
        facts |= {"direct": losses.direct, "reason": losses.reason}
        if (direct := losses.direct) is not None:
            columns = {name: held_out.columns[name] for name in model.columns}
            of_rows, ours = direct.expected(columns, outputs), (losses.absolute, losses.squared)
            expected(
                lambda rows: estimated.of_losses(direct, estimated.counted(*(side[rows] for side in of_rows))),
                lambda rows: estimated.of_losses(direct, estimated.counted(*(side[rows] for side in ours))),
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
    """Positions of the held-out rows of each segment: those that predictions are counted by."""
    found = {}
    for column, values in segments_of(train, segment_columns(model)).items():
        places = segment_places(held_out.columns[column].to_numpy(), values)
        for place, name in enumerate(segment_names(column, values)):
            found[name] = numpy.flatnonzero(places == place)
    return {name: rows for name, rows in found.items() if len(rows)}


def _crossed_probabilities(outputs: NDArray[Any], labels: NDArray[Any]) -> NDArray[Any]:
    """Probability of each row by a curve that was fitted without the row."""
    found = numpy.empty(len(outputs))
    for rows in folds(len(outputs)):
        others = numpy.setdiff1d(numpy.arange(len(outputs)), rows)
        curve = calibration(outputs[others], labels[others]) if len(others) else Calibration()
        found[rows] = curve.probability(outputs[rows])
    return found
