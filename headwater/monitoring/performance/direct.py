"""The expected loss of a regression's prediction, by a few small trees that were fitted to errors on held-out rows.

The trees are arrays in JSON that NumPy walks: functions that watch have no ONNX runtime and no scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from headwater.errors import InvalidRequest
from headwater.monitoring.performance.cells import Floats, numbers
from headwater.values import Value

OUTPUT = "(output)"
"""The prediction among the columns that trees ask for."""
ROWS_AT_ONCE = 65_536
LARGEST = float(np.finfo(np.float64).max)
"""Stands for infinity, which JSON doesn't have: in thresholds and in rows alike, so that comparisons stay the same."""


class Trees(Value):
    """Boosted trees; each list has an entry for each node, and a leaf is its own child.

    A row goes left if its value is at most the threshold. All sums are those of scikit-learn, to the last bit.
    """

    base: float
    roots: tuple[int, ...] = ()
    depth: int = Field(default=0, ge=0)
    column: tuple[int, ...] = ()
    """Position of the column among those of the estimator."""
    threshold: tuple[float, ...] = ()
    left: tuple[int, ...] = ()
    right: tuple[int, ...] = ()
    missing_left: tuple[bool, ...] = ()
    value: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        lengths = {len(entry) for entry in (self.column, self.threshold, self.left, self.right, self.missing_left,
                                            self.value)}  # fmt: skip
        nodes = len(self.value)
        if len(lengths) != 1 or any(not 0 <= node < nodes for node in (*self.roots, *self.left, *self.right)):
            raise ValueError(f"trees of {nodes} nodes name nodes that aren't there, or lack entries")
        return self

    def predict(self, table: Floats) -> Floats:
        """The sum of the leaves that each row of a table, shape (n, columns), comes to."""
        column, threshold = np.asarray(self.column), np.asarray(self.threshold)
        children = np.asarray([self.right, self.left])
        missing_left, value = np.asarray(self.missing_left), np.asarray(self.value)
        found = np.full(len(table), self.base)
        table = np.clip(table, -LARGEST, LARGEST)
        rows = np.arange(len(table))
        for root in self.roots:
            node = np.full(len(table), root)
            for _ in range(self.depth):
                given = table[rows, column[node]]
                goes_left = np.where(np.isnan(given), missing_left[node], given <= threshold[node])
                node = children[goes_left.astype(np.int64), node]
            found += value[node]
        return found


class DirectLoss(Value):
    """Expected absolute and squared error of a prediction, from what the model saw and said."""

    columns: tuple[str, ...]
    """Columns that the trees ask for; `OUTPUT` is the prediction."""
    words: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """Words of each column of text, which stand for their positions; other words are missing."""
    absolute: Trees
    squared: Trees
    absolute_noise: float = Field(ge=0)
    """Standard deviation of the absolute error of held-out rows around the expected one, as a share of the mean."""
    squared_noise: float = Field(ge=0)
    gain: float
    """Share of the variance of the absolute errors that the trees explain, on rows that they weren't fitted to."""

    def table(self, columns: Mapping[str, Any], output: Any) -> Floats:
        """Rows as the trees ask for them, shape (n, columns).

        Raises
        ------
        InvalidRequest
            A column is absent or has another length than the outputs.
        """
        outputs = numbers("output", output)
        found = np.empty((len(outputs), len(self.columns)))
        for place, name in enumerate(self.columns):
            if name != OUTPUT and name not in columns:
                raise InvalidRequest(f"column {name!r} wasn't given, which the estimate of the error needs")
            if name == OUTPUT:
                given = outputs
            elif name in self.words:
                given = coded(columns[name], self.words[name])
            else:
                # As the model sees them.
                given = numbers(name, columns[name]).astype(np.float32).astype(np.float64)
            if len(given) != len(outputs):
                raise InvalidRequest(f"column {name!r} has {len(given):,} rows, but there are {len(outputs):,} outputs")
            found[:, place] = given
        return found

    def expected(self, columns: Mapping[str, Any], output: Any) -> tuple[Floats, Floats]:
        """Expected absolute and squared error of each prediction, at least 0, each of shape (n,)."""
        table = self.table(columns, output)
        found: list[list[NDArray[np.float64]]] = [[], []]
        for start in range(0, len(table), ROWS_AT_ONCE):
            for trees, parts in zip((self.absolute, self.squared), found, strict=True):
                parts.append(np.maximum(trees.predict(table[start : start + ROWS_AT_ONCE]), 0.0))
        absolute, squared = (np.concatenate(parts) if parts else np.empty(0) for parts in found)
        return absolute, squared


def coded(values: Any, words: Sequence[str]) -> Floats:
    """Positions of words; NaN for others and where there is none."""
    places = {word: float(place) for place, word in enumerate(words)}
    return np.asarray([places.get(value, np.nan) if isinstance(value, str) else np.nan for value in values])
