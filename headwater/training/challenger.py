"""A challenger beside the champion on the same rows: is it worse, and is it better where the world is newest?

Both answer the same held-out rows, so their difference is a paired one. Its interval is a bootstrap's: rows get Poisson
weights, the same for both (Hanley and Chamandy, "The Poisson bootstrap", 2012). The difference is that of ROC AUC, or
for a regression the share of the champion's squared error that the challenger saves; above 0 the challenger is better.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy
import pandas
from numpy.typing import NDArray
from scipy.stats import binomtest

from headwater.declare import Model
from headwater.registry.types import GateOutcome
from headwater.training.dataset import Rows
from headwater.training.types import ASKED

RULE: Literal["challenger"] = "challenger"
REPLICATES = 400
LOW, HIGH = 0.025, 0.975
NEWEST_DAYS = 7
"""Days with held-out rows, the last ones, that are the newest window."""
FEWEST, FEWEST_OF_A_CLASS = 50, 10
"""Rows of a segment, and of each class among them, below which it isn't judged."""
MOST_VALUES = 31
EVIDENT = frozenset({"drift", "performance", "labels"})
"""Reasons by which a challenger must be better on the newest window; by the others it must not be worse."""
P = 0.05
_BATCH = 2_000_000
WORST = -1e6
"""Stands for a champion without any error."""

Floats = NDArray[numpy.float64]


class Difference(NamedTuple):
    """How much better the challenger is, with its 95% interval."""

    value: float
    low: float
    high: float
    rows: int

    def __str__(self) -> str:
        return f"{self.value:+.4f} ({self.low:+.4f} to {self.high:+.4f}) on {self.rows:,} rows"


def judge_challenger(
    model: Model, reason: str, held_out: Rows, challenger: Floats, champion: Floats
) -> tuple[GateOutcome, ...]:
    """How a challenger stands beside the champion, as one outcome for each rule.

    Parameters
    ----------
    model : Model
        Whose policy has the tolerances.
    reason : str
        Why it was trained. By drift, performance or labels it must be shown to be no worse than the tolerance on all
        held-out rows, to decide no more of them wrong, and to be better on the newest; by any other reason it must not
        be shown to be worse.
    held_out : Rows
    challenger, champion : ndarray of float, shape (rows,)
        Their answers.
    """
    labels, policy = held_out.label.to_numpy().astype("float64"), model.retraining
    metric = "roc_auc" if model.task == "classification" else "rmse"
    must_show = reason in EVIDENT
    whole = numpy.ones(len(labels), dtype=bool)
    outcomes = []
    for where, rows in (("the held-out rows", whole), (f"the newest {NEWEST_DAYS} days", newest(held_out))):
        if not can_judge(model, labels[rows]):
            if must_show:
                reason_words = f"{where}: {int(rows.sum()):,} rows are too few to show that it is better"
                outcomes.append(_outcome(metric, None, 0.0, reason_words))
            continue
        found = difference(model, labels[rows], challenger[rows], champion[rows])
        wants_better = must_show and rows is not whole
        outcomes.append(_judged(metric, where, found, policy.tolerance, must_show=must_show, better=wants_better))
    if (
        must_show
        and model.task == "classification"
        and (found_p := _more_mistakes(labels, challenger, champion)) is not None
    ):
        outcomes.append(found_p)
    for name, rows in _segments(model, held_out):
        if can_judge(model, labels[rows]):
            found = difference(model, labels[rows], challenger[rows], champion[rows])
            outcomes.append(_judged(metric, name, found, policy.segment_tolerance, must_show=False, better=False))
    return tuple(outcomes)


def _judged(
    metric: str, where: str, found: Difference, tolerance: float, *, must_show: bool, better: bool
) -> GateOutcome:
    if better:
        failed, words = found.low <= 0, f"isn't shown to be better than the champion on {where}"
    elif must_show:
        failed, words = found.low < -tolerance, f"may be worse than the champion by more than {tolerance:g} on {where}"
    else:
        failed = found.high < 0 and found.value < -tolerance
        words = f"is worse than the champion by more than {tolerance:g} on {where}"
    limit = 0.0 if better else -tolerance
    return _outcome(metric, found.value, limit, f"the challenger {words}: {found}" if failed else "")


def _outcome(metric: str, value: float | None, limit: float, reason: str) -> GateOutcome:
    return GateOutcome(metric=metric, rule=RULE, value=value, limit=limit, passed=not reason, reason=reason)


def newest(held_out: Rows) -> NDArray[numpy.bool_]:
    """The rows of the last days that have any; all rows if they carry no time."""
    if ASKED not in held_out.asked.columns:
        return numpy.ones(len(held_out), dtype=bool)
    days = pandas.to_datetime(held_out.asked[ASKED]).dt.floor("D")
    last = numpy.sort(days.unique())[-NEWEST_DAYS:]
    return numpy.asarray(days.isin(last).to_numpy(), dtype=bool)


def can_judge(model: Model, labels: Floats) -> bool:
    """Whether there are enough rows, and enough of each class."""
    if len(labels) < FEWEST:
        return False
    positives = int((labels > 0).sum())
    return model.task == "regression" or min(positives, len(labels) - positives) >= FEWEST_OF_A_CLASS


def difference(model: Model, labels: Floats, challenger: Floats, champion: Floats) -> Difference:
    """How much better the challenger answers rows than the champion, with the interval of a paired bootstrap."""
    of = _auc_difference if model.task == "classification" else _error_difference
    measure = of(labels, challenger, champion)
    value = float(measure(numpy.ones((1, len(labels))))[0])
    chance, found = numpy.random.default_rng(0), []
    together = max(1, min(REPLICATES, _BATCH // len(labels)))
    for start in range(0, REPLICATES, together):
        count = min(together, REPLICATES - start)
        found.append(measure(chance.poisson(1.0, (count, len(labels))).astype("float64")))
    # A replicate without a class has no figure.
    replicates = numpy.concatenate(found)
    low, high = numpy.quantile(replicates[numpy.isfinite(replicates)], [LOW, HIGH])
    return Difference(value, float(low), float(high), len(labels))


def _auc_difference(labels: Floats, challenger: Floats, champion: Floats) -> Any:
    one, other = _weighted_auc(labels, challenger), _weighted_auc(labels, champion)
    return lambda weights: one(weights) - other(weights)


def _weighted_auc(labels: Floats, scores: Floats) -> Any:
    """ROC AUC for rows of weights, shape (replicates, rows); equal scores count half."""
    order = numpy.argsort(scores, kind="stable")
    positive = labels[order] > 0
    ordered = scores[order]
    starts = numpy.flatnonzero(numpy.r_[True, ordered[1:] != ordered[:-1]])

    def measure(weights: Floats) -> Floats:
        weights = weights[:, order]
        hits = numpy.add.reduceat(weights * positive, starts, axis=1)
        misses = numpy.add.reduceat(weights * ~positive, starts, axis=1)
        below = numpy.cumsum(misses, axis=1) - misses / 2
        with numpy.errstate(invalid="ignore", divide="ignore"):
            found: Floats = (hits * below).sum(axis=1) / (hits.sum(axis=1) * misses.sum(axis=1))
        return found

    return measure


def _error_difference(labels: Floats, challenger: Floats, champion: Floats) -> Any:
    one, other = (challenger - labels) ** 2, (champion - labels) ** 2

    def measure(weights: Floats) -> Floats:
        its, champions = weights @ one, weights @ other
        with numpy.errstate(invalid="ignore", divide="ignore"):
            saved = 1.0 - its / champions
        return numpy.where(champions > 0, saved, numpy.where(its > 0, WORST, 0.0))

    return measure


def _more_mistakes(labels: Floats, challenger: Floats, champion: Floats) -> GateOutcome | None:
    """McNemar's exact test of wrong decisions, where each names as many rows as have label 1; None: too few differ."""
    ours, theirs = (_named(scores, labels) == (labels > 0) for scores in (challenger, champion))
    better, worse = int((ours & ~theirs).sum()), int((~ours & theirs).sum())
    if better + worse < FEWEST_OF_A_CLASS:
        return None
    p = mcnemar(better, worse)
    words = f"the challenger decides {worse:,} rows wrong that the champion decides right, and {better:,} the other way"
    reason = f"{words} (McNemar p {p:.2g})" if worse > better and p < P else ""
    return GateOutcome(
        metric="accuracy", rule=RULE, value=float(better - worse), limit=0.0, passed=not reason, reason=reason
    )


def mcnemar(better: int, worse: int) -> float:
    """McNemar's exact p of rows that one of two decides right and the other wrong, two-sided."""
    return float(binomtest(min(better, worse), better + worse).pvalue)


def _named(scores: Floats, labels: Floats) -> NDArray[numpy.bool_]:
    """As many rows of the highest scores as have label 1; of equal scores the first."""
    named = numpy.zeros(len(scores), dtype=bool)
    named[numpy.argsort(-scores, kind="stable")[: int((labels > 0).sum())]] = True
    return named


def _segments(model: Model, held_out: Rows) -> Iterator[tuple[str, NDArray[numpy.bool_]]]:
    for name in model.monitoring.segments:
        values = held_out.columns[name.replace(".", "__")].astype(str)
        for value in values.value_counts().index[:MOST_VALUES]:
            yield f"{name} = {value}", (values == value).to_numpy()
