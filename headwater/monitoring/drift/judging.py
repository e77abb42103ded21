"""The verdict on a window of a model's traffic: one probability a model, and the features that explain it.

The model's score T is the largest tail score of any feature and channel. It is compared with the scores that each
reference window has beside the others, so that p = (1 + #{T_i >= T}) / (K + 1) bounds the false-alarm rate whatever the
number of features is, as long as the window is one like those of the reference (conformal prediction: V. Vovk et al.,
"Algorithmic Learning in a Random World", 2005). What is missing, unseen or infinite is judged by a rule of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from typing import Any

import numpy as np

from headwater.monitoring.drift import lasting
from headwater.monitoring.drift.bank import Bank, stratum_of
from headwater.monitoring.drift.channels import DISTANCES, Floats
from headwater.monitoring.drift.quality import detail_of, quality_findings, stuck_findings, words_of
from headwater.monitoring.drift.reference import LEAST_KNOWN, LEAST_ROWS, LEAST_WINDOWS, FeatureReference, tail_scores
from headwater.monitoring.drift.verdicts import ALL, Finding, Outcome, Verdict
from headwater.monitoring.profiles.types import SCORES, CategoryCounts, NumberCounts, SchemeMismatch, WindowProfile

SUSPECT_LIMIT = 1 / 30
EXTREME_LIMIT = 0.01
FAR_ABOVE = 1.0
"""A score that exceeds all reference scores by this is ten times rarer than the rarest of them."""
DISCOVERY_RATE = 0.1
NAMED_LIMIT = 0.1
"""p up to which a clean window still names its strongest feature: many such days in a row are an alarm."""
TELLING = 3.0
"""Score from which on a channel explains the ones after it."""


def benjamini_hochberg(values: Sequence[float]) -> list[float]:
    """Adjust p-values so that those at most q have a false-discovery rate of q.

    Y. Benjamini, Y. Hochberg, "Controlling the false discovery rate", 1995.
    """
    given = np.asarray(values, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    scaled = given[order] * len(given) / np.arange(1, len(given) + 1)
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return [float(value) for value in adjusted]


class Judge:
    """Judges windows of a model version beside its bank.

    Parameters
    ----------
    bank : Bank
    horizon : int
        Windows that are merged to one: 1, or 7 for a week of days. Merged reference windows overlap, so that no p-value
        is smaller than the number of separate ones allows.
    holidays : collection of date
        Days that are compared with each other, if the bank has enough of them.
    """

    def __init__(self, bank: Bank, *, horizon: int = 1, holidays: Collection[date] = ()) -> None:
        self._scheme, self._horizon, self._holidays = bank.scheme.digest, horizon, holidays
        windows = sorted(bank.windows, key=lambda entry: entry.start)
        self._separate = len(windows) // horizon
        self._strata = np.asarray([stratum_of(entry.start.date(), holidays) for entry in windows], dtype=object)
        names = [*bank.scheme.numbers, *bank.scheme.categories, SCORES]
        slides = len(windows) >= horizon
        self._features = [
            FeatureReference.of(name, [entry.profile.counts(name) for entry in windows], horizon)
            for name in (names if slides else ())
        ]
        self._of_stratum: dict[str, list[FeatureReference]] = {ALL: self._features}

    @cached_property
    def lasting_limit(self) -> float | None:
        """The limit of the sum of surprises; None if there are too few windows to tell."""
        if self._horizon > 1 or self._separate < lasting.LEAST_WINDOWS:
            return None
        every = lasting.ranks_of(_largest(self._features))
        chances = np.empty(self._separate)
        for name in set(self._strata.tolist()):
            mask, features = self._strata == name, self._stratum(name)
            chances[mask] = every[mask] if features is self._features else lasting.ranks_of(_largest(features))
        return lasting.limit_of(chances)

    def judge(self, profile: WindowProfile, start: datetime | None = None) -> Verdict:
        """Judge a window.

        Parameters
        ----------
        profile : WindowProfile
            Of ``horizon`` windows, merged.
        start : datetime, optional
            Start of a window of a day; it is compared with days of its kind where the bank has at least 30 of them.

        Raises
        ------
        SchemeMismatch
            The window was counted for another model version.
        """
        self._check(profile)
        stratum, features = self._reference(start)
        windows = self._separate if stratum == ALL else len(features[0].rows)
        facts: dict[str, Any] = {"rows": profile.rows, "windows": windows, "stratum": stratum, "horizon": self._horizon}
        if profile.rows < LEAST_ROWS:
            return Verdict(outcome=Outcome.COLLECTING, reason=f"{profile.rows} rows, fewer than {LEAST_ROWS}", **facts)
        if windows < LEAST_WINDOWS:
            few = f"{windows} reference windows, fewer than {LEAST_WINDOWS}"
            return Verdict(outcome=Outcome.COLLECTING, reason=few, **facts)
        return _Comparison(features, profile, windows).verdict({**facts, "lasting_limit": self.lasting_limit})

    def quality(self, profile: WindowProfile, expected: int) -> tuple[Finding, ...]:
        """Find what is missing, unseen or infinite in a day that isn't over, beside whole days.

        A part of a day differs from whole days because its hours do, so nothing else is judged. Shares are of the rows
        that the whole day is ``expected`` to have, if that is more: what is found so is found of the whole day too,
        unless it has more rows than expected. Empty if there are too few rows or reference windows.

        Raises
        ------
        SchemeMismatch
        """
        self._check(profile)
        if profile.rows < LEAST_ROWS or self._separate < LEAST_WINDOWS:
            return ()
        found = []
        for feature in self._features:
            if (counts := profile.counts(feature.name)) is not None:
                found += quality_findings(feature, counts, len(self._features), expected)
        return tuple(sorted(found, key=lambda one: -one.score))

    def measured(self, profile: WindowProfile, start: datetime | None = None) -> dict[str, tuple[Finding, ...]]:
        """Each feature's distances beside usual ones, whether they decide anything or not.

        Features with too few values, here or in the reference, are left out.

        Raises
        ------
        SchemeMismatch
        """
        self._check(profile)
        stratum, features = self._reference(start)
        windows = self._separate if stratum == ALL else len(features[0].rows)
        return {name: tuple(found) for name, found in _Comparison(features, profile, windows).distances.items()}

    def _check(self, profile: WindowProfile) -> None:
        if profile.scheme != self._scheme:
            raise SchemeMismatch(
                f"a window of scheme {profile.scheme} can't be judged beside a bank of {self._scheme}. "
                "Take the bank of the version that the window was counted for"
            )

    def _reference(self, start: datetime | None) -> tuple[str, list[FeatureReference]]:
        if start is None or self._horizon > 1:
            return ALL, self._features
        name = stratum_of(start.date(), self._holidays)
        features = self._stratum(name)
        return (ALL if features is self._features else name), features

    def _stratum(self, name: str) -> list[FeatureReference]:
        """The windows of one kind of day; all of them if there are too few."""
        mask = self._strata == name
        if mask.sum() < LEAST_WINDOWS:
            return self._features
        if name not in self._of_stratum:
            self._of_stratum[name] = [feature.pick(mask) for feature in self._features]
        return self._of_stratum[name]


class _Comparison:
    """One window beside its reference."""

    def __init__(self, features: Sequence[FeatureReference], profile: WindowProfile, windows: int) -> None:
        self._windows = windows
        self._total = len(features)
        self._quality: list[Finding] = []
        self._distances: dict[str, list[Finding]] = {}
        self._unjudged: list[str] = []
        self._usual: list[Floats] = []
        for feature in features:
            counts = profile.counts(feature.name)
            if counts is None:
                continue
            self._quality += [*quality_findings(feature, counts, self._total), *stuck_findings(feature, counts)]
            if feature.windows < LEAST_WINDOWS or counts.known < LEAST_KNOWN:
                self._unjudged.append(feature.name)
            else:
                self._distances[feature.name] = self._compare(feature, counts)

    def _compare(self, feature: FeatureReference, counts: NumberCounts | CategoryCounts) -> list[Finding]:
        usual, distances = feature.usual(counts.known), feature.distances(counts)
        found = []
        for channel in DISTANCES:
            known, scores, scale = usual[channel]
            self._usual.append(scores)
            low, high = np.quantile(known, [0.05, 0.95]).tolist()
            found.append(
                Finding(
                    feature=feature.name,
                    channel=channel,
                    value=distances[channel],
                    usual=(low, high),
                    score=float(tail_scores(known, np.asarray([distances[channel]]), scale)[0]),
                    detail=detail_of(channel, counts),
                )
            )
        return found

    @property
    def distances(self) -> Mapping[str, Sequence[Finding]]:
        """Each feature's distances, by channel."""
        return self._distances

    def verdict(self, facts: Mapping[str, Any]) -> Verdict:
        """Decide, and name the features."""
        if not self._distances:
            outcome = Outcome.EXTREME if self._quality else Outcome.COLLECTING
            reason = words_of(self._quality) if self._quality else "no feature has enough values"
            return self._made(facts, outcome, reason, None, None, self._quality)
        score = max(one.score for found in self._distances.values() for one in found)
        table = np.asarray(self._usual)
        usual = np.where(np.isnan(table), 0.0, table).max(axis=0)
        p = max((1 + int((usual >= score).sum())) / (len(usual) + 1), 1 / (self._windows + 1))
        above = score > usual.max()
        extreme = above and (p <= EXTREME_LIMIT or score >= usual.max() + FAR_ABOVE) and p <= SUSPECT_LIMIT
        if self._quality or extreme:
            outcome = Outcome.EXTREME
        else:
            outcome = Outcome.SUSPICIOUS if p <= SUSPECT_LIMIT else Outcome.CLEAN
        named = self._named(drifted=p <= NAMED_LIMIT)
        reason = words_of(self._quality) if self._quality else f"p {p:.3f}, limit {SUSPECT_LIMIT:.3f}"
        return self._made(facts, outcome, reason, score, p, named)

    def _named(self, *, drifted: bool) -> list[Finding]:
        """The features of quality, then those that the false-discovery rate lets through, or else the strongest one."""
        if not drifted:
            return self._quality
        ordered = sorted(self._distances.values(), key=lambda found: -max(one.score for one in found))
        chances = [min(1.0, len(DISTANCES) * 10 ** -max(one.score for one in found)) for found in ordered]
        adjusted = benjamini_hochberg(chances)
        named = [found for found, p in zip(ordered, adjusted, strict=True) if p <= DISCOVERY_RATE] or ordered[:1]
        told = {one.feature for one in self._quality}
        return [*self._quality, *(_telling(found) for found in named if found[0].feature not in told)]

    def _made(
        self,
        facts: Mapping[str, Any],
        outcome: Outcome,
        reason: str,
        score: float | None,
        p: float | None,
        findings: Sequence[Finding],
    ) -> Verdict:
        scores = {name: max(one.score for one in found) for name, found in self._distances.items()}
        return Verdict(
            **facts,
            outcome=outcome,
            reason=reason,
            score=score,
            p=p,
            findings=tuple(findings),
            scores=scores,
            unjudged=tuple(self._unjudged),
        )


def _largest(features: Sequence[FeatureReference]) -> Floats:
    """The largest score of each reference window beside the others."""
    largest = np.zeros(len(features[0].rows))
    for feature in features:
        for _, scores, _ in feature.usual(max(int(feature.known.max(initial=0)), 1)).values():
            largest = np.maximum(largest, np.where(np.isnan(scores), 0.0, scores))
    return largest


def _telling(found: Sequence[Finding]) -> Finding:
    """The channel that explains the others: what is stuck or out of range has another shape too."""
    strongest = max(found, key=lambda one: one.score)
    return next(one for one in found if one.score >= TELLING or one is strongest)
