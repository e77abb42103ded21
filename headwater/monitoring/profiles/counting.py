"""From columns to a profile: each column is sorted or hashed once, whatever its length."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwater.errors import InvalidRequest
from headwater.monitoring.profiles.exact import squares, sums
from headwater.monitoring.profiles.types import SCORES, CategoryCounts, NumberCounts, Scheme, WindowProfile

MANY_ROWS = 100_000
"""Rows from which on columns are counted side by side."""
UNSEEN = 32
"""Unseen words that a part's profile names."""
LONGEST_NAME = 64
"""Characters of an unseen word that are kept."""
NOTICEABLE = 64
"""A part's most frequent value is noted if at least every 64th row has it."""
_NAN, _INFINITE = np.float32(np.nan), np.float32(np.inf)
"""Looked up as any other float, they would have NumPy convert the column each time."""


class UncountableColumn(InvalidRequest):
    """A column holds what its kind can't: a number was expected and isn't one, or a text."""


def profile_of(scheme: Scheme, columns: Mapping[str, Any], *, part: str, scores: Any = None) -> WindowProfile:
    """Count the rows of one part.

    Parameters
    ----------
    scheme : Scheme
    columns : mapping
        Each column of the scheme: a NumPy array or a sequence. None and NaN (and, of text, "") are missing. Other
        columns are left alone.
    part : str
        Hash of the rows: rows with the same hash are counted once, however often profiles are added.
    scores : array or sequence, optional
        The predictions.

    Raises
    ------
    UncountableColumn
        A column is absent, has another length, or holds a value of the wrong kind.
    """
    wanted = [*scheme.numbers, *scheme.categories]
    if absent := [name for name in wanted if name not in columns]:
        raise UncountableColumn(
            f"{len(absent)} columns of model {scheme.model!r} weren't given, {absent[0]!r} first. "
            "Give a column whose values are all missing as None for each row"
        )
    lengths = {name: len(columns[name]) for name in wanted}
    if scores is not None:
        lengths["scores"] = len(scores)
    rows = max(lengths.values(), default=0)
    if uneven := [name for name, length in lengths.items() if length != rows]:
        raise UncountableColumn(f"column {uneven[0]!r} has {lengths[uneven[0]]:,} rows, others have {rows:,}")
    if not rows:
        return scheme.empty()
    found = _counted(scheme, columns, scores, rows)
    # The classes check what they are given; each column has the kind that the scheme gives it.
    return WindowProfile.model_validate(
        {
            "scheme": scheme.digest,
            "rows": rows,
            "parts": (part,),
            "numbers": {name: found[name] for name in scheme.numbers},
            "categories": {name: found[name] for name in scheme.categories},
            "scores": found.get(SCORES),
        }
    )


def _counted(
    scheme: Scheme, columns: Mapping[str, Any], scores: Any, rows: int
) -> dict[str, NumberCounts | CategoryCounts]:
    """Count each column; long ones side by side, because NumPy works without holding the interpreter."""

    def counted(name: str) -> NumberCounts | CategoryCounts:
        if name == SCORES:
            return count_numbers("scores", scores, scheme.scores, bin_sums=True)
        if name in scheme.categories:
            return _categories(name, columns[name], scheme.categories[name])
        return count_numbers(name, columns[name], scheme.numbers[name])

    names = [*([] if scores is None else [SCORES]), *scheme.numbers]
    texts = {name: counted(name) for name in scheme.categories}
    if rows < MANY_ROWS:
        return texts | {name: counted(name) for name in names}
    # Text is counted by itself: it would hold the interpreter while others wait for it.
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return texts | dict(zip(names, pool.map(counted, names), strict=True))


def count_numbers(name: str, values: Any, edges: Sequence[float], *, bin_sums: bool = False) -> NumberCounts:
    """Count a column of numbers between edges."""
    # All of it follows from one sort, in which infinite values come first and last, and missing ones behind them.
    ordered, cuts = np.sort(_as_float32(name, values)), np.asarray(edges, dtype=np.float32)
    known, low = int(np.searchsorted(ordered, _NAN)), int(np.searchsorted(ordered, -_INFINITE, side="right"))
    finite = ordered[low : np.searchsorted(ordered, _INFINITE)]
    upto = np.searchsorted(finite, cuts)
    below, above = (int(upto[0]), len(finite) - int(upto[-1])) if len(cuts) else (0, len(finite))
    infinite, binned = known - len(finite), []
    if bin_sums and len(cuts):
        binned = sums(finite, [*upto.tolist(), len(finite)])
    return NumberCounts(
        missing=len(ordered) - known,
        infinite=infinite,
        below=below + low,
        above=above + infinite - low,
        bins=tuple(np.diff(upto).tolist()),
        top=_top(finite, known),
        sum=sums(finite, [len(finite)])[0],
        squares=squares(finite),
        sums=(*binned[1:-1], binned[0], binned[-1]) if binned else (),
    )


def _top(ordered: NDArray[np.float32], known: int) -> tuple[tuple[float, int], ...]:
    """The most frequent one of sorted values, if it is noticeable; of equally frequent ones the least."""
    # A run of so many values has one at a multiple of that number.
    found = np.unique(ordered[:: max(1, -(-known // NOTICEABLE))])
    if not len(found):
        return ()
    counts = np.searchsorted(ordered, found, side="right") - np.searchsorted(ordered, found)
    place = int(np.argmax(counts))
    most = int(counts[place])
    # Minus zero is zero.
    return ((float(found[place]) + 0.0, most),) if most > 1 and most * NOTICEABLE >= known else ()


def _as_float32(name: str, values: Any) -> NDArray[np.float32]:
    given = np.asarray(values) if not isinstance(values, (list, tuple)) else np.array(values, dtype=object)
    if given.dtype.kind not in "fiubO":
        raise UncountableColumn(f"column {name!r} holds {given.dtype}, expected numbers")
    if given.dtype.kind == "O" and any(isinstance(value, (str, bytes)) for value in given):
        raise UncountableColumn(f"column {name!r} holds text among its numbers. Give None where a number is missing")
    with np.errstate(over="ignore"):
        try:
            return given.astype(np.float64).astype(np.float32) if given.dtype.kind == "O" else given.astype(np.float32)
        except OverflowError:
            # Whole numbers beyond any float are infinite to a model.
            return np.asarray([_one(value) for value in given], dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise UncountableColumn(f"column {name!r} holds what is no number: {error}") from error


def _one(value: Any) -> float:
    try:
        return math.nan if value is None else float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _categories(name: str, values: Any, words: Sequence[str]) -> CategoryCounts:
    try:
        found = Counter(values.tolist() if isinstance(values, np.ndarray) else values)
    except TypeError as error:
        raise UncountableColumn(f"column {name!r} holds what is no text: {error}") from error
    missing = 0
    for value in list(found):
        if value is None or value == "" or value != value:
            missing += found.pop(value)
        elif not isinstance(value, str):
            raise UncountableColumn(f"column {name!r} holds {type(value).__name__} {value!r}, expected text or None")
    bins = tuple(found.pop(word, 0) for word in words)
    most = sorted(found.items(), key=lambda entry: (-entry[1], entry[0]))[:UNSEEN]
    names: Counter[str] = Counter()
    for word, count in most:
        names[word[:LONGEST_NAME]] += count
    return CategoryCounts(missing=missing, bins=bins, unseen=sum(found.values()), names=tuple(sorted(names.items())))
