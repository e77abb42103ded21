"""The proof that a graph and the pipeline that it was made from answer alike, on requests that the API lets through."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy
import pandas

from headwater.declare import Model
from headwater.registry.types import Disagreement, Parity
from headwater.training.errors import CompilationFailed
from headwater.training.learning import predict

TOLERANCE = 1e-4
PARITY_ROWS = 5_000
ROWS_WITHOUT = 100
NEVER_SEEN = "\u2205 never seen"
MOST_SHOWN = 20
"""Columns of a row that a disagreement tells of."""


class Answers(Protocol):
    """A compiled graph."""

    def predict(self, columns: pandas.DataFrame) -> Any:
        """The answer for each row."""


@dataclass(frozen=True)
class Trial:
    """Rows that requests may carry, and what is special about them."""

    words: str
    columns: Sequence[str]
    """The changed columns; empty if rows are as they were held out."""
    frame: pandas.DataFrame
    remedy: str


def check_parity(model: Model, pipeline: Any, graph: Answers, held_out: pandas.DataFrame) -> Parity:
    """Compare graph and pipeline on held-out rows, as they are and as other requests could make them.

    A request must carry the required inputs, so no trial lacks one; any optional input and any feature may be missing,
    and text may be such as training never saw. A probability may differ by `TOLERANCE`, a value by that much of
    itself; so a label can flip only where the pipeline itself is undecided.

    Raises
    ------
    CompilationFailed
        The pipeline or its graph fails on such a request.
    """
    rows, largest, worst = 0, 0.0, None
    for trial in trials(model, held_out):
        expected = _asked(model, trial, "pipeline", lambda frame: predict(model, pipeline, frame))
        answered = _asked(model, trial, "ONNX graph", graph.predict)
        scale = numpy.maximum(1.0, numpy.abs(expected)) if model.task == "regression" else 1.0
        # NaN is a difference too, for the API answers with numbers alone.
        differences = numpy.nan_to_num(numpy.abs(answered - expected) / scale, nan=1e9, posinf=1e9)
        rows += len(trial.frame)
        if len(differences) and differences.max() > largest:
            largest, place = float(differences.max()), int(differences.argmax())
            worst = Disagreement(
                trial=trial.words,
                columns=tuple(trial.columns[:MOST_SHOWN]),
                row=_shown(model, trial, place),
                pipeline=_number(expected[place]),
                graph=_number(answered[place]),
                remedy=trial.remedy,
            )
    passed = largest <= TOLERANCE
    return Parity(
        rows=rows, largest_difference=largest, tolerance=TOLERANCE, passed=passed, worst=None if passed else worst
    )


def trials(model: Model, held_out: pandas.DataFrame) -> Iterator[Trial]:
    """The trials; see `check_parity`."""
    possible = held_out[complete(model, held_out)]
    if not len(possible):
        return
    exchange = "take steps out of the pipeline one at a time: the ONNX form of one of them computes otherwise"
    yield Trial("rows are as they were held out", (), spread(possible, PARITY_ROWS), exchange)
    some = spread(possible, ROWS_WITHOUT)
    optional: list[str] = []
    for names, what, is_input in _optional(model):
        optional += names
        remedy = f"fill {what} within the pipeline, such as by a SimpleImputer before the step that can't"
        yield Trial(
            f"{what} is missing", names, _without(model, some, names), remedy + (", or require it" if is_input else "")
        )
    for name in model.categories:
        unseen = some.assign(**{name: pandas.Series(NEVER_SEEN, some.index, dtype=object)})
        remedy = f"let the encoder of {name} take unknown text, such as by OneHotEncoder(handle_unknown='ignore')"
        yield Trial(f"{name} was never seen in training", (name,), unseen, remedy)
    if len(optional) > 1:
        remedy = "fill what is missing within the pipeline, or require more inputs"
        yield Trial("all that is optional is missing", optional, _without(model, some, optional), remedy)


def complete(model: Model, columns: pandas.DataFrame) -> Any:
    """Which rows carry every required input, as a request must."""
    whole = numpy.ones(len(columns), dtype=bool)
    for name in (name for entry in model.inputs if entry.required for name in entry.columns):
        values = columns[name]
        whole &= (values.ne("") if name in model.categories else values.notna()).to_numpy(dtype=bool)
    return whole


def _optional(model: Model) -> Iterator[tuple[tuple[str, ...], str, bool]]:
    """The columns that are missing together, what they are called, and whether an input is."""
    for entry in model.inputs:
        if not entry.required:
            yield entry.columns, entry.name, True
    for reference in model.features:
        yield (reference.replace(".", "__"),), reference, False


def _without(model: Model, frame: pandas.DataFrame, names: Sequence[str]) -> pandas.DataFrame:
    missing = {
        name: pandas.Series("", frame.index, dtype=object) if name in model.categories else numpy.nan for name in names
    }
    return frame.assign(**missing)


def _asked(model: Model, trial: Trial, who: str, answers: Any) -> Any:
    try:
        return numpy.asarray(answers(trial.frame), dtype="float64")
    # scikit-learn's steps raise what they like, and onnxruntime's errors share no class but Exception.
    except Exception as error:
        said = " ".join(str(error).split())[:300]
        raise CompilationFailed(
            f"{model.train}: the {who} fails when {trial.words}, which requests may do: {type(error).__name__}: {said}",
            next_steps=[trial.remedy],
        ) from error


def _shown(model: Model, trial: Trial, place: int) -> dict[str, float | str | None]:
    row = trial.frame.iloc[place]
    first = [*trial.columns, *(name for name in model.columns if name not in set(trial.columns))]
    return {
        name: (row[name] or None) if name in model.categories else _number(row[name]) for name in first[:MOST_SHOWN]
    }


def _number(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None


def spread(frame: pandas.DataFrame, count: int) -> pandas.DataFrame:
    """At most ``count`` rows, evenly from the first to the last."""
    return frame.iloc[places(len(frame), count)]


def places(length: int, count: int) -> list[int]:
    """At most ``count`` positions, evenly spread over ``length``."""
    count = min(count, length)
    return [index * (length - 1) // max(count - 1, 1) for index in range(count)]
