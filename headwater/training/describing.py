"""Describes a run's data and model: its profile, the reference bank of its days, and golden requests."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Self

import numpy
import pandas

from headwater.declare import LONGEST_BODY, LOWER_IS_BETTER, MOST_INSTANCES, Model, RequestInput
from headwater.monitoring.drift.bank import MOST_VALUES, Bank, bank_of_days
from headwater.monitoring.profiles.types import Scheme
from headwater.registry.types import CategoryProfile, GoldenRequest, GoldenSet, NumberProfile, Profile
from headwater.training.dataset import Rows
from headwater.training.errors import InvalidExamples
from headwater.training.judging import measure
from headwater.training.parity import TOLERANCE, Answers, complete, places
from headwater.training.types import ASKED

QUANTILES = 256
TOP = 100
GOLDEN_ROWS = 20
IMPORTANCE_ROWS, IMPORTANCE_COLUMNS = 2_000, 200
"""Some ten milliseconds a column."""
_SURROUNDINGS = 128
"""Bytes of a body beside its rows: the names of its fields, brackets."""


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


def bank(
    described: Profile,
    source: str,
    train: Rows,
    held_out: Rows,
    predictions: Any,
    *,
    segments: Sequence[str] = (),
    importance: Mapping[str, float] | None = None,
) -> Bank:
    """Count each day of the examples, UTC, so that a model is watched from its first prediction.

    Held-out days are among them: they are the newest ones, and the only ones whose scores say how a model scores rows
    that it doesn't know. Examples without a time have no days, and their bank is empty.

    Parameters
    ----------
    described : Profile
        Of the training rows.
    source : str
        Hash of the training set.
    train, held_out : Rows
    predictions : array
        What the model says of held-out rows.
    segments : sequence of str
        Columns that predictions are counted apart by (`segment_columns`).
    importance : mapping, optional
        What `importance` gives.
    """
    scheme = Scheme.of(described)
    empty = Bank(scheme=scheme, segments=segments_of(train, segments), importance=importance or {})
    if ASKED not in train.asked.columns:
        return empty
    names = [*described.numbers, *described.categories]
    made = bank_of_days(
        scheme,
        {name: _both(train.columns[name], held_out.columns[name]) for name in names},
        _both(train.asked[ASKED], held_out.asked[ASKED]),
        source=source,
        scores=numpy.concatenate([numpy.full(len(train), numpy.nan), numpy.asarray(predictions, dtype="float64")]),
        scored=numpy.arange(len(train) + len(held_out)) >= len(train),
    )
    return empty.model_copy(update={"windows": made.windows})


def segment_columns(model: Model) -> tuple[str, ...]:
    """The columns of `Monitoring.segments`; a feature that isn't text any more is left out."""
    columns = (name.replace(".", "__") for name in model.monitoring.segments)
    return tuple(column for column in columns if column in model.categories)


def segments_of(train: Rows, columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The most frequent values of each column, the first one most; those that are equally frequent by their text."""
    found = {}
    for column in columns:
        known = train.columns[column][train.columns[column] != ""]
        counts = sorted(known.value_counts().items(), key=lambda entry: (-entry[1], str(entry[0])))
        found[column] = tuple(str(name) for name, _ in counts[:MOST_VALUES])
    return found


def importance(model: Model, graph: Answers, held_out: Rows) -> dict[str, float]:
    """How much worse the watched metric gets on held-out rows when one column's values are shuffled among them.

    Permutation importance (L. Breiman, "Random Forests", 2001), shuffled once, always alike, of at most
    `IMPORTANCE_ROWS` rows spread over all and `IMPORTANCE_COLUMNS` columns. Empty if the metric isn't defined on them.
    """
    chosen = places(len(held_out), IMPORTANCE_ROWS)
    rows = held_out.columns.iloc[chosen].reset_index(drop=True)
    label, metric = numpy.asarray(held_out.label)[chosen], model.watched_metric
    usual = measure(model.task, label, graph.predict(rows)).get(metric) if len(rows) else None
    if usual is None:
        return {}
    found = {}
    for number, name in enumerate(model.columns[:IMPORTANCE_COLUMNS]):
        order = numpy.random.default_rng(number).permutation(len(rows))
        shuffled = rows.assign(**{name: rows[name].to_numpy()[order]})
        value = measure(model.task, label, graph.predict(shuffled)).get(metric)
        if value is not None:
            found[name] = value - usual if metric in LOWER_IS_BETTER else usual - value
    return found


def _both(first: pandas.Series[Any], second: pandas.Series[Any]) -> Any:
    return numpy.concatenate([first.to_numpy(), second.to_numpy()])


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
    usable = numpy.flatnonzero(complete(model, held_out.columns))
    if not len(usable):
        raise InvalidExamples(f"model {model.name!r}: every held-out example lacks an input that requests must carry")
    asked = [_Asked.of(model, held_out, int(usable[place]), predictions) for place in places(len(usable), GOLDEN_ROWS)]
    requests = [_request(bundle) for bundle in _bundles(asked)]
    if not requests:
        raise InvalidExamples(
            f"model {model.name!r}: a request for any of {len(asked)} held-out examples has more than the "
            f"{LONGEST_BODY:,} bytes that the API reads",
            next_steps=["declare fewer inputs and features, or shorter names"],
        )
    return GoldenSet(model=model.name, run_id=run_id, tolerance=TOLERANCE, requests=tuple(requests))


@dataclass(frozen=True)
class _Asked:
    """One golden row: what a request carries of it, and what it must be answered."""

    instance: Mapping[str, Any]
    features: Mapping[str, float | str | None]
    """Given with the request: what the online store holds has moved on since."""
    expected: float

    @classmethod
    def of(cls, model: Model, rows: Rows, row: int, predictions: Any) -> Self:
        features = {name: _known(rows.columns[name.replace(".", "__")].iloc[row]) for name in model.features}
        instance = {entry.name: _raw(entry, rows, row) for entry in model.inputs}
        return cls(instance, features, float(predictions[row]))

    @property
    def size(self) -> int:
        """Bytes of a body, without what surrounds the rows."""
        return len(json.dumps(self.instance)) + len(json.dumps(self.features)) + len(", ") * 2


def _bundles(asked: Sequence[_Asked]) -> Iterator[list[_Asked]]:
    """The rows in as few requests as the API takes them in; a row that no request can carry is left out."""
    bundle: list[_Asked] = []
    size = 0
    for row in asked:
        if row.size > LONGEST_BODY - _SURROUNDINGS:
            continue
        if bundle and (size + row.size > LONGEST_BODY - _SURROUNDINGS or len(bundle) == MOST_INSTANCES):
            yield bundle
            bundle, size = [], 0
        bundle.append(row)
        size += row.size
    if bundle:
        yield bundle


def _request(rows: Sequence[_Asked]) -> GoldenRequest:
    return GoldenRequest(
        instances=tuple(row.instance for row in rows),
        features=tuple(row.features for row in rows),
        expected=tuple(row.expected for row in rows),
    )


def _raw(entry: RequestInput, rows: Rows, row: int) -> Any:
    if entry.kind == "timestamp":
        moment = rows.asked[entry.name].iloc[row]
        return None if pandas.isna(moment) else moment.to_pydatetime().replace(tzinfo=UTC).isoformat()
    return _known(rows.columns[entry.name].iloc[row])


def _known(value: Any) -> float | str | None:
    if isinstance(value, str):
        return value or None
    return None if math.isnan(value) else float(value)
