"""One window feature by feature: shares and distances beside usual ones, whether they decide anything or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from headwater.monitoring.drift.bank import Bank
from headwater.monitoring.drift.channels import Channel, ShownStatistics, cells_of, equal_mass, shown
from headwater.monitoring.drift.reference import outside_of, top_of
from headwater.monitoring.profiles.types import SCORES, CategoryCounts, NumberCounts, WindowProfile, merge
from headwater.values import Value

BARS = 16
"""Bars of a histogram."""
SHARES = (Channel.MISSING, Channel.UNSEEN, Channel.INFINITE, Channel.FROZEN, Channel.RANGE)
"""Channels that are shares of rows or values."""
USUAL = (0.05, 0.95)

Counts = NumberCounts | CategoryCounts


class Share(Value):
    """A share of a column's rows, beside those of the reference windows."""

    value: float
    usual: tuple[float, float] | None
    """The 5% and the 95% quantile; None without reference windows that have values."""


class Bar(Value):
    """A bar of a histogram."""

    label: str
    """Where a bin begins, or a word."""
    now: float
    """Share of the known values."""
    usual: float


class Histogram(Value):
    """How a feature is spread, beside its reference."""

    feature: str
    bars: tuple[Bar, ...]
    shown: ShownStatistics
    """Figures that are well known; none decides anything."""


def shares_of(counts: Counts) -> dict[Channel, float]:
    """The shares of one column in a window; only those that its kind has."""
    rows, known = max(counts.known + counts.missing, 1), max(counts.known, 1)
    found = {Channel.MISSING: counts.missing / rows, Channel.FROZEN: top_of(counts) / known}
    if isinstance(counts, NumberCounts):
        return {**found, Channel.INFINITE: counts.infinite / rows, Channel.RANGE: outside_of(counts) / known}
    return {**found, Channel.UNSEEN: counts.unseen / rows}


def features_of(bank: Bank) -> list[str]:
    """The columns that are watched, and the scores."""
    return [*bank.scheme.numbers, *bank.scheme.categories, SCORES]


def usual_shares(bank: Bank) -> dict[str, dict[Channel, tuple[float, float]]]:
    """For each feature the usual range of each share."""
    found: dict[str, dict[Channel, tuple[float, float]]] = {}
    for feature in features_of(bank):
        windows = [counts for window in bank.windows if (counts := window.profile.counts(feature)) is not None]
        shares = [shares_of(counts) for counts in windows if counts.known + counts.missing]
        names = shares[0] if shares else ()
        found[feature] = {channel: _range([one[channel] for one in shares]) for channel in SHARES if channel in names}
    return found


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = np.quantile(np.asarray(values), USUAL).tolist()
    return float(low), float(high)


def beside_usual(
    profile: WindowProfile, usual: Mapping[str, Mapping[Channel, tuple[float, float]]]
) -> dict[str, dict[Channel, Share]]:
    """The shares of a window's features; features without counts are left out."""
    found = {}
    for feature, ranges in usual.items():
        if (counts := profile.counts(feature)) is not None:
            shares = shares_of(counts)
            found[feature] = {
                channel: Share(value=shares[channel], usual=ranges.get(channel)) for channel in SHARES
                if channel in shares
            }  # fmt: skip
    return found


def histogram(bank: Bank, profile: WindowProfile, feature: str) -> Histogram | None:
    """How a feature's values are spread in a window and in all reference windows together; None without counts."""
    now = profile.counts(feature)
    usual = merge(bank.scheme, (window.profile for window in bank.windows)).counts(feature)
    if now is None or usual is None:
        return None
    edges = bank.scheme.scores if feature == SCORES else bank.scheme.numbers.get(feature, ())
    bars = (
        _bars_of_numbers(now, usual, edges)
        if isinstance(now, NumberCounts)
        else _bars_of_words(bank, feature, now, usual)
    )
    return Histogram(feature=feature, bars=tuple(bars), shown=shown(edges, now, usual))


def _bars_of_numbers(now: NumberCounts, usual: Counts, edges: Sequence[float]) -> list[Bar]:
    """Bars of about equal mass in the reference; what is outside of its range has bars of its own."""
    assert isinstance(usual, NumberCounts)  # noqa: S101 - both are counts of one column
    found = []
    places = equal_mass(usual.bins, ordered=True, cells=BARS)
    known, before = max(now.known, 1), max(usual.known, 1)
    left, right = np.asarray(now.bins, dtype=np.int64), np.asarray(usual.bins, dtype=np.int64)
    if now.below or usual.below:
        found.append(Bar(label="below", now=now.below / known, usual=usual.below / before))
    for place in range(int(places.max(initial=-1)) + 1):
        mask = places == place
        label = f"{edges[int(np.flatnonzero(mask)[0])]:.4g}"
        found.append(Bar(label=label, now=int(left[mask].sum()) / known, usual=int(right[mask].sum()) / before))
    if now.above or usual.above:
        found.append(Bar(label="above", now=now.above / known, usual=usual.above / before))
    return found


def _bars_of_words(bank: Bank, feature: str, now: CategoryCounts, usual: Counts) -> list[Bar]:
    """The words that are most frequent in either, and all others together."""
    assert isinstance(usual, CategoryCounts)  # noqa: S101 - both are counts of one column
    known, before = max(now.known, 1), max(usual.known, 1)
    words = bank.scheme.categories[feature]
    both = sorted(
        zip(words, cells_of(now), cells_of(usual), strict=True),
        key=lambda entry: (-max(entry[1] / known, entry[2] / before), entry[0]),
    )
    found = [Bar(label=word, now=new / known, usual=old / before) for word, new, old in both[:BARS]]
    if rest := both[BARS:]:
        new, old = sum(entry[1] for entry in rest), sum(entry[2] for entry in rest)
        found.append(Bar(label=f"{len(rest)} other words", now=new / known, usual=old / before))
    if now.unseen or usual.unseen:
        found.append(Bar(label="never seen in training", now=now.unseen / known, usual=usual.unseen / before))
    return found
