"""Channels of quality: what is missing, unseen, infinite, outside or stuck breaks a rule of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headwater.monitoring.drift.channels import QUALITY, Channel, at_least
from headwater.monitoring.drift.reference import LEAST_KNOWN, LEAST_ROWS, LEAST_WINDOWS, FeatureReference, top_of
from headwater.monitoring.drift.verdicts import Finding
from headwater.monitoring.profiles.types import CategoryCounts, NumberCounts

QUALITY_MARGIN = 0.05
QUALITY_LIMIT = 0.001
STUCK_SHARE, USUAL_SHARE = 0.95, 0.5
"""A column is stuck if one value has the first share of its rows, and none had the second one in any usual window: a
column that always says the same tells a model as little as a missing one."""


def quality_findings(
    feature: FeatureReference, counts: NumberCounts | CategoryCounts, features: int, expected: int = 0
) -> list[Finding]:
    """The channels of quality in which one of ``features`` columns breaks the rule."""
    rows = max(counts.known + counts.missing, expected)
    found = []
    for channel in QUALITY:
        count = int(getattr(counts, channel.value, 0))
        usual = feature.quality[channel] / np.maximum(feature.rows, 1)
        largest = float(usual.max(initial=0.0))
        share = count / max(rows, 1)
        if share <= largest + QUALITY_MARGIN or not feature.rows.sum():
            continue
        # No share is known to be nothing: of m rows without one, the next one may still be it.
        p = at_least(count, rows, max(largest, 1 / (float(feature.rows.sum()) + 1)))
        if p <= QUALITY_LIMIT / (features * len(QUALITY)):
            found.append(
                Finding(
                    feature=feature.name,
                    channel=channel,
                    value=count / max(counts.known + counts.missing, 1),
                    usual=(float(usual.min(initial=1.0)), largest),
                    score=float(-np.log10(max(p, 1e-300))),
                    detail=detail_of(channel, counts),
                )
            )
    return found


def stuck_findings(feature: FeatureReference, counts: NumberCounts | CategoryCounts) -> list[Finding]:
    """The column as stuck, if it is."""
    enough = feature.known >= LEAST_KNOWN
    if counts.known < LEAST_ROWS or enough.sum() < LEAST_WINDOWS:
        return []
    usual = feature.top[enough] / feature.known[enough]
    largest, share = float(usual.max()), top_of(counts) / counts.known
    if share < STUCK_SHARE or largest >= USUAL_SHARE:
        return []
    chance = at_least(top_of(counts), counts.known, largest)
    return [
        Finding(
            feature=feature.name,
            channel=Channel.STUCK,
            value=share,
            usual=(float(usual.min()), largest),
            score=float(-np.log10(max(chance, 1e-300))),
            detail=detail_of(Channel.STUCK, counts),
        )
    ]


def words_of(found: Sequence[Finding]) -> str:
    """The findings in one line."""
    return ", ".join(f"{one.feature} {one.channel.value} {one.value:.0%}" for one in found)


def _most(counts: NumberCounts | CategoryCounts) -> str:
    if isinstance(counts, NumberCounts):
        return f"{counts.most[0]:g}" if counts.most else ""
    return max(counts.names, key=lambda entry: entry[1])[0] if counts.names else ""


def detail_of(channel: Channel, counts: NumberCounts | CategoryCounts) -> str:
    """The value that a channel speaks of: what the column is stuck at, or the most frequent unseen word."""
    if channel in (Channel.FROZEN, Channel.STUCK):
        return _most(counts)
    if channel is Channel.UNSEEN and isinstance(counts, CategoryCounts) and counts.names:
        return max(counts.names, key=lambda entry: (entry[1], entry[0]))[0]
    return ""
