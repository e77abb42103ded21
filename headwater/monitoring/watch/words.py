"""Verdicts in words for people: alarms, commands and pictures say the same."""

from __future__ import annotations

from collections.abc import Sequence

from headwater.monitoring.drift.channels import Channel
from headwater.monitoring.drift.judging import SUSPECT_LIMIT
from headwater.monitoring.drift.verdicts import Finding, Outcome, Verdict
from headwater.monitoring.profiles.types import SCORES

LASTING = "unusual for days on end"
"""Said of days that are an alarm together."""
NAMED = 3
"""Findings that a line names."""


def of_finding(finding: Finding) -> str:
    """``late6 frozen 100% (usual 4-9%), stuck at 0``."""
    name = "predictions" if finding.feature == SCORES else finding.feature
    words = f"{name} {finding.channel.value} {value_of(finding)} (usual {usual_of(finding)})"
    if not finding.detail:
        return words
    if finding.channel in (Channel.FROZEN, Channel.STUCK):
        return f"{words} at {finding.detail}"
    return f"{words}, most often {finding.detail!r}"


def of_findings(findings: Sequence[Finding]) -> str:
    """The first ones, and how many more there are."""
    more = f" and {len(findings) - NAMED} more" if len(findings) > NAMED else ""
    return "; ".join(map(of_finding, findings[:NAMED])) + more


def value_of(finding: Finding) -> str:
    """A share in per cent, a divergence in bits."""
    return _shown(finding.channel, finding.value)


def usual_of(finding: Finding) -> str:
    """The range of the value in usual windows."""
    low, high = (_shown(finding.channel, value) for value in finding.usual)
    return low if low == high else f"{low.removesuffix('%')}-{high}" if high.endswith("%") else f"{low} to {high}"


def of_verdict(verdict: Verdict) -> str:
    """A verdict in one line."""
    if verdict.outcome is Outcome.COLLECTING:
        return verdict.reason
    p = "" if verdict.p is None else f"p {verdict.p:.3f} (limit {SUSPECT_LIMIT:.3f})"
    return "; ".join(filter(None, [of_findings(verdict.findings), p]))


def _shown(channel: Channel, value: float) -> str:
    if channel is Channel.SHAPE:
        return f"{value:.3f}"
    share = 100 * value
    return f"{share:.0f}%" if share >= 10 or share == round(share) else f"{share:.1f}%"
