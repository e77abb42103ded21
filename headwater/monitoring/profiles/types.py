"""Counts of what a model saw and said in a window of time, which add up exactly to those of any longer window.

A `Scheme` says which bins a model version's counts have: the version's own training quantiles. A `WindowProfile` holds
the counts. Adding profiles is associative and commutative, and a part that is in both sides is never counted twice.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, reduce
from itertools import groupby
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BeforeValidator, Field, PlainSerializer

from headwater.errors import InvalidRequest, Refused
from headwater.monitoring.profiles.exact import ZERO, ExactSum, add, fraction
from headwater.registry.types import Profile
from headwater.values import Stored, Value

SCORE_BINS = 1024
SCORES = "(scores)"
"""Name of the scores among the features: no column can have it."""


class SchemeMismatch(InvalidRequest):
    """Profiles of different schemes can't be added or compared: their bins aren't the same."""


class PartCountedTwice(Refused):
    """Two profiles share a part of their rows, so that their sum would count it twice."""


def _writes_out(nothing: Any) -> Callable[[Any], Any]:
    """Read JSON in which -k stands for k times nothing."""

    def read(given: Any) -> Any:
        if not isinstance(given, (list, tuple)):
            return given
        found: list[Any] = []
        # A bank has some hundred thousand entries: this line is most of the time that reading one takes.
        for entry in given:
            if type(entry) is int and entry < 0:
                found += [nothing] * -entry
            else:
                found.append(entry)
        return found

    return read


def _shortens(nothing: Any) -> Callable[[Any], Any]:
    def write(given: tuple[Any, ...]) -> list[Any]:
        found: list[Any] = []
        for entry, run in groupby(given):
            same = list(run)
            found.extend([-len(same)] if entry == nothing else same)
        return found

    return write


Count = Annotated[int, Field(ge=0)]
Counts = Annotated[tuple[Count, ...], BeforeValidator(_writes_out(0)), PlainSerializer(_shortens(0), when_used="json")]
"""Counts of bins. JSON has -k for k bins of nothing, because most bins of a small window are empty."""
Sums = Annotated[
    tuple[ExactSum, ...], BeforeValidator(_writes_out(ZERO)), PlainSerializer(_shortens(ZERO), when_used="json")
]
"""Sums of bins, in JSON as `Counts`."""


def _plus(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(map(int.__add__, left, right))


def _together(left: tuple[tuple[Any, int], ...], right: tuple[tuple[Any, int], ...]) -> tuple[tuple[Any, int], ...]:
    found = dict(left)
    for name, count in right:
        found[name] = found.get(name, 0) + count
    return tuple(sorted(found.items()))


class NumberCounts(Value):
    """Counts of a column of numbers, as float32, which is what a model sees."""

    missing: Count = 0
    infinite: Count = 0
    """Rows with an infinite value; they are in ``below`` or ``above`` too."""
    below: Count = 0
    """Rows below the training's minimum."""
    above: Count = 0
    """Rows above the training's maximum."""
    bins: Counts = ()
    top: tuple[tuple[float, Count], ...] = ()
    """For each value that was a part's most frequent one: its rows in these parts, ascending by value. A sum of the
    parts' own figures is exact and has no order, which the most frequent value of a union can't be."""
    sum: ExactSum = ZERO
    """Exact sum of the finite values."""
    squares: ExactSum = ZERO
    sums: Sums = ()
    """Scores alone have these: the sum of each bin's values, then that of the values below and of those above."""

    def __add__(self, other: NumberCounts) -> NumberCounts:
        return NumberCounts.model_construct(
            missing=self.missing + other.missing,
            infinite=self.infinite + other.infinite,
            below=self.below + other.below,
            above=self.above + other.above,
            bins=_plus(self.bins, other.bins),
            top=_together(self.top, other.top),
            sum=add(self.sum, other.sum),
            squares=add(self.squares, other.squares),
            sums=tuple(map(add, self.sums, other.sums)),
        )

    @property
    def known(self) -> int:
        """Rows that have a value."""
        return sum_of(self.bins) + self.below + self.above

    @property
    def most(self) -> tuple[float, int] | None:
        """The most frequent value and its rows; None if no value repeats noticeably."""
        return max(self.top, key=lambda entry: (entry[1], -entry[0])) if self.top else None

    @property
    def mean(self) -> float | None:
        """The mean of the finite values; None if there are none."""
        finite = self.known - self.infinite
        return float(fraction(self.sum) / finite) if finite else None

    @property
    def deviation(self) -> float | None:
        """The standard deviation of the finite values (over n); None if there are none."""
        finite = self.known - self.infinite
        if not finite:
            return None
        mean = fraction(self.sum) / finite
        return math.sqrt(fraction(self.squares) / finite - mean * mean)


class CategoryCounts(Value):
    """Counts of a column of text."""

    missing: Count = 0
    bins: Counts = ()
    """Rows of each word of the scheme's vocabulary, in its order."""
    unseen: Count = 0
    """Rows with another word."""
    names: tuple[tuple[str, Count], ...] = ()
    """Unseen words and their rows: each part's 32 most frequent ones, ascending by name."""

    def __add__(self, other: CategoryCounts) -> CategoryCounts:
        return CategoryCounts.model_construct(
            missing=self.missing + other.missing,
            bins=_plus(self.bins, other.bins),
            unseen=self.unseen + other.unseen,
            names=_together(self.names, other.names),
        )

    @property
    def known(self) -> int:
        """Rows that have a value."""
        return sum_of(self.bins) + self.unseen


def sum_of(counts: Iterable[int]) -> int:
    """Add counts up (the builtin is hidden by a field's name where counts are fields)."""
    return sum(counts)


class Scheme(Stored):
    """The bins of a model version's profiles.

    A bin reaches from its edge to the next one, which isn't in it. A value that many training rows have (several
    quantiles are equal) is a bin of its own. The last edge is the next float32 after the training's maximum.
    """

    model: str
    run_id: str
    numbers: Mapping[str, tuple[float, ...]] = Field(default_factory=dict)
    """Edges of each column of numbers; none if training saw no finite value."""
    categories: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """Vocabulary of each column of text: the most frequent words of training."""
    scores: tuple[float, ...] = ()

    @classmethod
    def of(cls, profile: Profile) -> Self:
        """The bins that a version's training profile gives."""
        return cls(
            model=profile.model,
            run_id=profile.run_id,
            numbers={name: _edges(entry.quantiles) for name, entry in profile.numbers.items()},
            categories={name: tuple(sorted(entry.counts)) for name, entry in profile.categories.items()},
            scores=_edges(profile.predictions.quantiles, SCORE_BINS),
        )

    @cached_property
    def digest(self) -> str:
        """Name of the scheme: profiles of equal digests have the same bins."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    def empty(self) -> WindowProfile:
        """The profile of a window without a row; adding it changes nothing."""
        return WindowProfile(
            scheme=self.digest,
            numbers={name: NumberCounts(bins=(0,) * bins_of(edges)) for name, edges in self.numbers.items()},
            categories={name: CategoryCounts(bins=(0,) * len(words)) for name, words in self.categories.items()},
        )


def bins_of(edges: tuple[float, ...]) -> int:
    """Tell how many bins edges make."""
    return max(0, len(edges) - 1)


def _edges(quantiles: tuple[float, ...], bins: int = 0) -> tuple[float, ...]:
    """The edges that quantiles give; with ``bins``, each step between two quantiles is cut into equal parts."""
    given = np.asarray(quantiles, dtype=np.float64)
    given = given[np.isfinite(given)]
    if not len(given):
        return ()
    if bins and len(given) > 1:
        given = np.interp(np.linspace(0, len(given) - 1, bins + 1), np.arange(len(given)), given)
    with np.errstate(over="ignore"):
        cuts = given.astype(np.float32)
    cuts = cuts[np.isfinite(cuts)]
    repeated = cuts[1:][cuts[1:] == cuts[:-1]]
    ends = np.nextafter(np.append(repeated, cuts[-1:]), np.float32(np.inf))
    return tuple(np.unique(np.concatenate([cuts, ends])).astype(np.float64).tolist())


class WindowProfile(Stored):
    """Counts of a window: what came in, column by column, and what went out."""

    scheme: str
    """Digest of the `Scheme` that says what the bins are."""
    rows: Count = 0
    parts: tuple[str, ...] = ()
    """Hashes of the parts whose rows were counted, ascending."""
    numbers: Mapping[str, NumberCounts] = Field(default_factory=dict)
    categories: Mapping[str, CategoryCounts] = Field(default_factory=dict)
    scores: NumberCounts | None = None
    """None if no score was counted, as of training days that the model learnt from."""

    def __add__(self, other: WindowProfile) -> WindowProfile:
        """Add the counts of two windows.

        A side whose parts are all in the other one is there already, and the other one is the sum.

        Raises
        ------
        SchemeMismatch
            The bins differ.
        PartCountedTwice
            Some parts, but not all of a side, are in both.
        """
        if self.scheme != other.scheme:
            raise SchemeMismatch(
                f"profiles of the schemes {self.scheme} and {other.scheme} can't be added: their bins differ. "
                "Add the profiles of one model version only"
            )
        mine, others = set(self.parts), set(other.parts)
        if others <= mine:
            return self
        if mine <= others:
            return other
        if both := sorted(mine & others):
            raise PartCountedTwice(
                f"{len(both)} parts are in both profiles, {both[0]} first, so that their sum would count them twice. "
                "Add profiles of single parts instead"
            )
        scores = [entry for entry in (self.scores, other.scores) if entry is not None]
        return WindowProfile.model_construct(
            format=self.format,
            scheme=self.scheme,
            rows=self.rows + other.rows,
            parts=tuple(sorted(mine | others)),
            numbers={name: counts + other.numbers[name] for name, counts in self.numbers.items()},
            categories={name: counts + other.categories[name] for name, counts in self.categories.items()},
            scores=reduce(NumberCounts.__add__, scores) if scores else None,
        )

    def counts(self, feature: str) -> NumberCounts | CategoryCounts | None:
        """The counts of a column, or of the scores (`SCORES`); None if there are none."""
        return self.scores if feature == SCORES else self.numbers.get(feature, self.categories.get(feature))


def merge(scheme: Scheme, profiles: Iterable[WindowProfile]) -> WindowProfile:
    """Add any number of profiles up; none give the empty one."""
    return reduce(WindowProfile.__add__, profiles, scheme.empty())
