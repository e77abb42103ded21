"""The training set in memory, and which of its rows judge the model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy
import pandas

from headwater.declare import Model
from headwater.lake.database import connect, literal
from headwater.training.errors import InvalidExamples
from headwater.training.types import ASKED, LABEL

SEARCH_SHARE = 0.2
"""The share of training rows that judges a search's trials."""


@dataclass(frozen=True)
class Rows:
    """Examples: what the pipeline sees, what it should say, and when and how each was asked."""

    columns: pandas.DataFrame
    """The model's columns: float64 of float32's precision (NaN when missing) and text ("" when missing)."""
    label: pandas.Series[Any]
    asked: pandas.DataFrame
    """``asked_at`` and timestamp inputs, as far as there are any."""

    def __len__(self) -> int:
        return len(self.label)

    def pick(self, mask: Any) -> Rows:
        """The rows where ``mask`` is true."""
        return Rows(self.columns[mask], self.label[mask], self.asked[mask])


def load(model: Model, path: Path) -> Rows:
    """Read a training set as `Preparation` wrote it."""
    with TemporaryDirectory(prefix="headwater-training-") as scratch:
        connection = connect(Path(scratch))
        frame = connection.execute(f"SELECT * FROM read_parquet({literal(str(path))})").df()  # noqa: S608
        connection.close()
    columns = pandas.DataFrame(
        {
            # Objects, not pandas' own text type: what scikit-learn keeps of it must be plain text to ONNX.
            name: frame[name].fillna("").astype(object) if name in model.categories else frame[name].astype("float64")
            for name in model.columns
        }
    )
    others = [name for name in frame.columns if name not in model.columns and name != LABEL]
    return Rows(columns, frame[LABEL], frame[others])


def split(model: Model, rows: Rows) -> tuple[Rows, Rows]:
    """Training rows and held-out rows, as the model's `Holdout` says.

    Raises
    ------
    InvalidExamples
        A part is empty, or of a classifier's training rows all have the same label.
    """
    holdout = model.holdout
    if holdout.last is not None:
        asked = rows.asked[ASKED]
        held = (asked > asked.max() - pandas.Timedelta(holdout.last)).to_numpy()
    else:
        assert holdout.share is not None  # noqa: S101 - Holdout has one or the other
        held = _last_share(rows, holdout.share, salt=0)
    train, test = rows.pick(~held), rows.pick(held)
    for part, words in ((train, "to learn from"), (test, "to judge by")):
        if not len(part):
            raise InvalidExamples(
                f"model {model.name!r}: of {len(rows):,} examples none is left {words}; see its holdout"
            )
    if empty := [name for name in model.columns if _is_empty(train.columns[name])]:
        raise InvalidExamples(
            f"model {model.name!r}: {', '.join(empty)} is missing in all {len(train):,} training examples"
        )
    if model.task == "classification" and train.label.nunique() < 2:
        raise InvalidExamples(
            f"model {model.name!r}: all {len(train):,} training examples have label {train.label.iloc[0]}"
        )
    return train, test


def _is_empty(values: pandas.Series[Any]) -> bool:
    return bool((values.isna() | values.eq("")).all())


def split_for_search(rows: Rows) -> tuple[Rows, Rows]:
    """The earlier and the last part of training rows (without time, a fixed random part)."""
    held = _last_share(rows, SEARCH_SHARE, salt=1)
    return rows.pick(~held), rows.pick(held)


def _last_share(rows: Rows, share: float, *, salt: int) -> Any:
    if ASKED in rows.asked.columns:
        # The training set is in the order of time.
        return numpy.arange(len(rows)) >= round(len(rows) * (1 - share))
    return _uniform(len(rows), salt) < share


def _uniform(count: int, salt: int) -> Any:
    """A number in [0, 1) for each position, the same on every machine: splitmix64."""
    with numpy.errstate(over="ignore"):
        mixed = (numpy.arange(1, count + 1, dtype=numpy.uint64) + numpy.uint64(salt << 40)) * numpy.uint64(
            0x9E3779B97F4A7C15
        )
        mixed = (mixed ^ (mixed >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> numpy.uint64(31)
    return mixed.astype(numpy.float64) / 2.0**64
