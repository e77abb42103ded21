"""Signs that the label is among its own clues: a score that honest data hardly give.

A column alone, or the whole model, that orders or tells the label without a mistake is far more often a leak (a value
that was written after the answer was known) than a discovery. A warning holds the automatic promotion back; a person
may promote with a reason, and a model whose label follows from its columns by a rule says so (`Model.deterministic`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy
import pandas
from sklearn.metrics import r2_score, roc_auc_score

from headwater.declare import Model
from headwater.registry.types import LeakWarning
from headwater.training.dataset import Rows
from headwater.training.on_demand import with_on_demand

PERFECT = 0.9999
"""ROC AUC, or R2, from which on a score is suspected."""
FEWEST_ROWS = 100
"""Fewer rows reach such a score by luck or by plain good features."""
FEWEST_OF_A_CLASS = 10
MOST_WARNINGS = 10


def suspect(model: Model, train: Rows, held_out: Rows, metrics: Mapping[str, float]) -> tuple[LeakWarning, ...]:
    """Signs of a leak; empty if there are none, if there are too few rows to tell, or if the model expects them.

    Parameters
    ----------
    model : Model
    train, held_out : Rows
        A column of numbers is judged on both, for nothing is fitted; one of text by what training rows say of it.
    metrics : mapping
        The model's on the held-out rows.
    """
    if model.deterministic or not _tells(model, held_out.label):
        return ()
    metric = "roc_auc" if model.task == "classification" else "r2"
    found = sorted(_columns(model, metric, train, held_out), key=lambda warning: -warning.value)[:MOST_WARNINGS]
    reached = metrics.get(metric, 0.0)
    if reached >= PERFECT:
        found.insert(0, LeakWarning(metric=metric, value=reached, rows=len(held_out)))
    return tuple(found)


def _columns(model: Model, metric: str, train: Rows, held_out: Rows) -> Iterator[LeakWarning]:
    earlier, later = with_on_demand(model, train.columns), with_on_demand(model, held_out.columns)
    for name in earlier.columns:
        if name in model.categories:
            means = train.label.astype("float64").groupby(earlier[name].to_numpy()).mean()
            said, label = later[name].map(means), held_out.label
        else:
            said, label = _both(earlier[name], later[name]), _both(train.label, held_out.label)
        known = said.notna().to_numpy()
        values, truth = said.to_numpy(dtype="float64")[known], label.to_numpy(dtype="float64")[known]
        if _tells(model, pandas.Series(truth)) and len(numpy.unique(values)) > 1:
            score = _score(metric, truth, values, fitted=name in model.categories)
            if score >= PERFECT:
                yield LeakWarning(column=name, metric=metric, value=score, rows=len(truth))


def _both(first: pandas.Series[Any], second: pandas.Series[Any]) -> pandas.Series[Any]:
    """The rows of both, numbered anew."""
    return pandas.concat([first, second], ignore_index=True)


def _tells(model: Model, label: pandas.Series[Any]) -> bool:
    """Whether there are rows enough, of different labels, for a perfect score to mean anything."""
    if len(label) < FEWEST_ROWS:
        return False
    counts = label.value_counts()
    return len(counts) > 1 and (model.task == "regression" or int(counts.min()) >= FEWEST_OF_A_CLASS)


def _score(metric: str, truth: Any, values: Any, *, fitted: bool) -> float:
    """How well a column alone tells the label, in whichever direction it does."""
    if metric == "roc_auc":
        area = float(roc_auc_score(truth, values))
        return area if fitted else max(area, 1 - area)
    if fitted:
        return float(r2_score(truth, values))
    # Along a line, and along any curve that only rises or only falls; ties count against a column.
    ranks = pandas.DataFrame({"truth": truth, "values": values}).rank()
    straight = numpy.corrcoef(truth, values)[0, 1] ** 2
    return float(max(straight, ranks.corr().to_numpy()[0, 1] ** 2))
