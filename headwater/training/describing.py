"""What a run tells of its data and its model: the profile that drift is measured against, and golden requests."""

from __future__ import annotations

import math
from datetime import UTC
from typing import Any

import numpy
import pandas

from headwater.model import Model, RequestInput
from headwater.registry.types import CategoryProfile, GoldenRequest, GoldenSet, NumberProfile, Profile
from headwater.training.dataset import Rows
from headwater.training.errors import InvalidExamples
from headwater.training.parity import TOLERANCE, places

QUANTILES = 256
TOP = 100
GOLDEN_ROWS = 20


def profile(model: Model, run_id: str, train: Rows, predictions: Any) -> Profile:
    """Describe the rows that a model learnt from and what it says of held-out ones."""
    return Profile(
        model=model.name,
        run_id=run_id,
        rows=len(train),
        numbers={name: numbers(train.columns[name]) for name in model.columns if name not in model.categories},
        categories={name: _categories(train.columns[name]) for name in model.categories},
        label=numbers(train.label),
        predictions=numbers(pandas.Series(predictions)),
    )


def numbers(values: pandas.Series[Any]) -> NumberProfile:
    """Describe a column of numbers; NaN is missing."""
    known = values.dropna().to_numpy(dtype="float64")
    if not len(known):
        return NumberProfile(missing=1.0, quantiles=(), mean=None)
    cuts = numpy.quantile(known, numpy.linspace(0, 1, QUANTILES + 1))
    return NumberProfile(missing=1 - len(known) / len(values), quantiles=tuple(cuts.tolist()), mean=float(known.mean()))


def _categories(values: pandas.Series[Any]) -> CategoryProfile:
    known = values[values != ""]
    counts = sorted(known.value_counts().items(), key=lambda entry: (-entry[1], str(entry[0])))
    top = {str(name): int(count) for name, count in counts[:TOP]}
    missing = 1 - len(known) / len(values) if len(values) else 0.0
    return CategoryProfile(missing=missing, counts=top, others=len(known) - sum(top.values()))


def golden(model: Model, run_id: str, held_out: Rows, predictions: Any) -> GoldenSet:
    """Held-out rows as requests, with the answers that the deployed function must give.

    Raises
    ------
    InvalidExamples
        No held-out row has all the inputs that a request must carry.
    """
    required = [name for entry in model.inputs if entry.required for name in entry.columns]
    complete = [
        column.ne("").to_numpy() if name in model.categories else column.notna().to_numpy()
        for name, column in ((name, held_out.columns[name]) for name in required)
    ]
    usable = numpy.flatnonzero(numpy.logical_and.reduce(complete)) if complete else numpy.arange(len(held_out))
    if not len(usable):
        raise InvalidExamples(f"model {model.name!r}: every held-out example lacks an input that requests must carry")
    chosen = [int(usable[place]) for place in places(len(usable), GOLDEN_ROWS)]
    request = GoldenRequest(
        instances=tuple({entry.name: _raw(entry, held_out, row) for entry in model.inputs} for row in chosen),
        # Given with the request: what the online store holds has moved on since.
        features=tuple(
            {name: _known(held_out.columns[name.replace(".", "__")].iloc[row]) for name in model.features}
            for row in chosen
        ),
        expected=tuple(float(predictions[row]) for row in chosen),
    )
    return GoldenSet(model=model.name, run_id=run_id, tolerance=TOLERANCE, requests=(request,))


def _raw(entry: RequestInput, rows: Rows, row: int) -> Any:
    if entry.kind == "timestamp":
        moment = rows.asked[entry.name].iloc[row]
        return None if pandas.isna(moment) else moment.to_pydatetime().replace(tzinfo=UTC).isoformat()
    return _known(rows.columns[entry.name].iloc[row])


def _known(value: Any) -> float | str | None:
    if isinstance(value, str):
        return value or None
    return None if math.isnan(value) else float(value)
