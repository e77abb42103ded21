"""Columns as small whole numbers, each of which stands for a condition on the column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwater.monitoring.performance.cells import Floats, numbers

BINS = 10
"""Parts of a column of numbers, of about as many training rows each."""
WORDS = 31
"""Words of a column of text; all others are a value together."""
MISSING, OTHER = "(missing)", "(other)"
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class CodedColumn:
    """A column of n rows as codes."""

    name: str
    codes: Codes
    """Position of each row's condition, shape (n,)."""
    conditions: tuple[str, ...]
    words: tuple[str, ...] | None
    """Text: the words that are conditions of their own."""
    cuts: Floats
    """Numbers: where a part ends and the next one starts."""

    def of_others(self, values: Any) -> Codes:
        """Codes of other rows, by the same conditions."""
        return _word_codes(values, self.words) if self.words is not None else _part_codes(self.name, values, self.cuts)


def coded(name: str, values: Any, quantiles: Sequence[float] | None = None) -> CodedColumn:
    """Code a column: the values of text, or parts of equal weight of numbers.

    Parameters
    ----------
    name : str
    values : array or sequence, n rows
        Text (None and "" are missing) or numbers (None and NaN are).
    quantiles : sequence of float, optional
        For numbers, those of the training, ascending; by default those of the rows.
    """
    if quantiles is None and _is_text(values):
        words = _most_frequent(values)
        shown = (f"\\{word}" if word.startswith(("(", "\\")) else word for word in words)
        conditions = tuple(f"{name}={word}" for word in (*shown, OTHER, MISSING))
        return CodedColumn(name, _word_codes(values, words), conditions, words, np.empty(0))
    known = numbers(name, values) if quantiles is None else np.asarray(quantiles, dtype=np.float64)
    cuts = _cuts(known[np.isfinite(known)])
    conditions = (*_between(name, cuts), f"{name}={MISSING}")
    return CodedColumn(name, _part_codes(name, values, cuts), conditions, None, cuts)


def _is_text(values: Any) -> bool:
    return any(isinstance(value, str) for value in values) if np.asarray(values).dtype.kind not in "fiub" else False


def _texts(values: Any) -> list[str]:
    return [value if isinstance(value, str) else "" for value in values]


def _most_frequent(values: Any) -> tuple[str, ...]:
    found = Counter(_texts(values))
    found.pop("", None)
    return tuple(sorted(found, key=lambda word: (-found[word], word))[:WORDS])


def _word_codes(values: Any, words: Sequence[str]) -> Codes:
    places = {word: place for place, word in enumerate(words)} | {"": len(words) + 1}
    return np.asarray([places.get(value, len(words)) for value in _texts(values)], dtype=np.int64)


def _part_codes(name: str, values: Any, cuts: Floats) -> Codes:
    wide = numbers(name, values)
    found = np.searchsorted(cuts, wide, side="right")
    found[np.isnan(wide)] = len(cuts) + 1
    return found.astype(np.int64)


def _cuts(values: Floats) -> Floats:
    """Edges between parts, ascending; values below the first one are the first part."""
    if not len(values):
        return np.empty(0)
    distinct = np.unique(values)
    if len(distinct) <= BINS:
        return distinct[1:]
    found = np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1])
    repeated = found[1:][found[1:] == found[:-1]]
    after = distinct[np.minimum(np.searchsorted(distinct, repeated, side="right"), len(distinct) - 1)]
    return np.unique(np.concatenate([found, after]))


def _between(name: str, cuts: Floats) -> tuple[str, ...]:
    if not len(cuts):
        return (f"{name}",)
    shown = [f"{cut:.6g}" for cut in cuts]
    inner = (f"{low} <= {name} < {high}" for low, high in pairwise(shown))
    return (f"{name} < {shown[0]}", *inner, f"{name} >= {shown[-1]}")
