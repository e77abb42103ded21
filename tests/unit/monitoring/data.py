"""Profiles, banks and judges for tests of the statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from headwater.monitoring.drift.bank import Bank, BankWindow
from headwater.monitoring.drift.judging import Judge
from headwater.monitoring.drift.verdicts import Verdict
from headwater.monitoring.profiles.counting import profile_of
from headwater.monitoring.profiles.types import NumberCounts, Scheme, WindowProfile
from headwater.registry.types import CategoryProfile, NumberProfile, Profile

DAY = datetime(2026, 1, 5, tzinfo=UTC)


def number(values: Any) -> NumberProfile:
    """As training describes a column."""
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        return NumberProfile(missing=1, quantiles=(), mean=None)
    cuts = np.quantile(known, np.linspace(0, 1, 257))
    return NumberProfile(missing=0, quantiles=tuple(cuts.tolist()), mean=float(known.mean()))


def scheme_of(
    numbers: Mapping[str, Any] | None = None, words: Mapping[str, Sequence[str]] | None = None, scores: Any = (0.0, 1.0)
) -> Scheme:
    return Scheme.of(
        Profile(
            model="m",
            run_id="r",
            rows=1,
            numbers={name: number(values) for name, values in (numbers or {}).items()},
            categories={
                name: CategoryProfile(missing=0, counts=dict.fromkeys(known, 1), others=0)
                for name, known in (words or {}).items()
            },
            label=number([]),
            predictions=number(scores),
        )
    )


def bank_of(scheme: Scheme, windows: Sequence[Mapping[str, Any]]) -> Bank:
    """A bank of a window a day."""
    counted = [profile_of(scheme, columns, part=f"day {place}") for place, columns in enumerate(windows)]
    return Bank(
        scheme=scheme,
        windows=tuple(BankWindow(start=DAY + timedelta(days=n), profile=profile) for n, profile in enumerate(counted)),
    )


def usual(name: str = "x", *, windows: int = 60, rows: int = 500, seed: int = 0, **more: Any) -> list[dict[str, Any]]:
    """Windows of a normal column; ``more`` are columns that are the same in each."""
    draw = np.random.default_rng(seed)
    return [{name: draw.normal(size=rows), **more} for _ in range(windows)]


def judged(windows: Sequence[Mapping[str, Any]], window: Mapping[str, Any], scheme: Scheme | None = None) -> Verdict:
    """The verdict on a window beside others, with the scheme that these give."""
    if scheme is None:
        texts = {name for name, values in window.items() if any(isinstance(value, str) for value in values)}
        together = {name: [value for one in windows for value in one[name]] for name in windows[0]}
        texts |= {name for name, values in together.items() if any(isinstance(value, str) for value in values)}
        scheme = scheme_of(
            {name: np.asarray(values, dtype=np.float64) for name, values in together.items() if name not in texts},
            {name: sorted({word for word in together[name] if word})[:100] for name in texts},
        )
    return Judge(bank_of(scheme, windows)).judge(profile_of(scheme, window, part="now"))


def counts(profile: WindowProfile, name: str = "x") -> NumberCounts:
    found = profile.counts(name)
    assert isinstance(found, NumberCounts)
    return found
