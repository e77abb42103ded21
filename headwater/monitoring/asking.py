"""Questions of the API about a model, checked, and their answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from headwater.clock import check_year, moment_asked
from headwater.errors import InvalidRequest
from headwater.graph import Places
from headwater.monitoring.asked_days import AskedDays
from headwater.monitoring.drift.verdicts import Finding
from headwater.monitoring.fingerprints import fingerprint
from headwater.monitoring.messages import (
    DriftAnswer,
    MetricFigure,
    ModelPerformance,
    MonitorFinding,
    PerformanceStretch,
    QualityAnswer,
    StatusAnswer,
)
from headwater.monitoring.performance.answers import JudgedStretch
from headwater.monitoring.performance.types import Figure
from headwater.monitoring.stack import asking, watching

LONGEST = 31
"""Days of a question: API Gateway waits 30 seconds. The command has no such limit."""


class Asked(NamedTuple):
    """A question that was checked."""

    fingerprint: str
    """Equal of questions that have the same answer (`headwater.monitoring.fingerprints`)."""
    answer: Callable[[], Told]
    """Computes it."""


class Told(NamedTuple):
    """An answer."""

    body: Mapping[str, Any]
    until: datetime | None = None
    """When time alone makes it another one."""


def ask(places: Places, question: str, model: str, query: Mapping[str, str]) -> Asked:
    """``GET /models/{model}/monitor/{question}``, checked; its answer is computed when it is called for.

    Parameters
    ----------
    places : Places
    question : {"status", "drift", "quality", "performance"}
    model : str
    query : mapping
        ``from`` and ``to``: first and last day, UTC, by default the last seven that have predictions; ``segment``;
        ``as_of``: ISO 8601 with a time zone.

    Raises
    ------
    InvalidRequest
        The message says what was given and what was expected.
    ModelNotRegistered, AliasNotFound, NoBank, NoDefinition, NoSuchSegment, NoSuchDay
        Some of them once the answer is called for.
    """
    answer, parameters = _QUESTIONS[question]
    if unknown := sorted(query.keys() - set(parameters)):
        raise InvalidRequest(f"no parameter {', '.join(unknown)[:80]}: expected {', '.join(parameters)}")
    known = moment_asked(query, "as_of")
    _asked_days(query)
    found = fingerprint(places, question, model, query, known, datetime.now(UTC))
    return Asked(found, lambda: answer(places, model, query))


def _status(places: Places, model: str, query: Mapping[str, str]) -> StatusAnswer:
    found = watching(places, moment_asked(query, "as_of")).status(model, days=1).status
    if found is None:
        return {
            "model": model, "version": None, "at": None, "state": None, "since": None, "severity": None,
            "reason": "not looked at yet", "day": None, "rows": 0, "p": None, "findings": [],
        }  # fmt: skip
    return {
        "model": model,
        "version": found.version,
        "at": found.at.isoformat(),
        "state": found.state.value,
        "since": found.since.isoformat() if found.since else None,
        "severity": found.severity.value,
        "reason": found.reason,
        "day": found.day.isoformat() if found.day else None,
        "rows": found.rows,
        "p": found.p,
        "findings": [_finding(one) for one in found.findings],
    }


def _drift(places: Places, model: str, query: Mapping[str, str]) -> DriftAnswer:
    found = watching(places, moment_asked(query, "as_of")).drift(
        model, _asked_days(query), segment=query.get("segment", "")
    )
    return {
        "model": model,
        "version": found.version,
        "segment": found.segment,
        "days": [
            {
                "day": one.day.isoformat(),
                "rows": one.verdict.rows,
                "outcome": one.verdict.outcome.value,
                "score": one.verdict.score,
                "p": one.verdict.p,
                "state": one.state.value,
                "running": one.running,
                "reason": one.verdict.reason,
                "findings": [_finding(finding) for finding in one.verdict.findings],
            }
            for one in found.days
        ],
    }


def _quality(places: Places, model: str, query: Mapping[str, str]) -> QualityAnswer:
    found = watching(places, moment_asked(query, "as_of")).quality(model, _asked_days(query))
    return {
        "model": model,
        "version": found.version,
        "shares": [
            {
                "day": one.day.isoformat(),
                "feature": one.feature,
                "channel": channel.value,
                "rows": one.rows,
                "value": share.value,
                "usual": list(share.usual) if share.usual else None,
            }
            for one in found.columns
            for channel, share in one.shares.items()
        ],
    }


def _performance(places: Places, model: str, query: Mapping[str, str]) -> Told:
    with asking(places, model, moment_asked(query, "as_of")) as performance:
        found = performance.performance(_asked_days(query), segment=query.get("segment", ""), delay=False)
        # What was asked as of a moment stays, whatever becomes available.
        until_then = performance.changes() if "as_of" not in query else None
    report = found.whole.report
    answer: ModelPerformance = {
        "model": model,
        "version": found.version,
        "segment": found.segment,
        "metric": found.metric,
        "tolerance": found.tolerance,
        "days": [_stretch(one) for one in found.stretches],
        "whole": _stretch(found.whole),
        "realised": [_figure(one) for one in report.bias.raw.values()],
        "adjusted": [_figure(one) for one in report.bias.adjusted.values()],
        "estimated": [_figure(one) for one in report.estimated.values()],
    }
    return Told(answer, until_then)


_QUESTIONS: Mapping[str, tuple[Callable[[Places, str, Mapping[str, str]], Told], tuple[str, ...]]] = {
    "status": (lambda *asked: Told(_status(*asked)), ("as_of",)),
    "drift": (lambda *asked: Told(_drift(*asked)), ("from", "to", "segment", "as_of")),
    "quality": (lambda *asked: Told(_quality(*asked)), ("from", "to", "as_of")),
    "performance": (_performance, ("from", "to", "segment", "as_of")),
}


def _stretch(one: JudgedStretch) -> PerformanceStretch:
    report = one.report
    return {
        "since": one.since.isoformat(),
        "until": one.until.isoformat(),
        "running": one.running,
        "predictions": one.predictions,
        "coverage": one.coverage,
        "realised": _figure(one.realised),
        "limit": report.realised.limit if report.realised else None,
        "estimated": _figure(one.estimated),
        "estimate_limit": report.estimate.limit if report.estimate else None,
        "is_worse": report.is_worse,
        "verdict": one.verdict,
    }


def _figure(one: Figure) -> MetricFigure:
    return {"metric": one.metric, "value": one.value, "low": one.low, "high": one.high, "reason": one.reason}


def _finding(one: Finding) -> MonitorFinding:
    return {"feature": one.feature, "channel": one.channel.value, "value": one.value, "usual": list(one.usual)}


def _asked_days(query: Mapping[str, str]) -> AskedDays:
    since, until = _day(query, "from"), _day(query, "to")
    last = until or datetime.now(UTC).date()
    if since is not None and not since <= last < since + timedelta(days=LONGEST):
        raise InvalidRequest(f"{since} to {last}: expected 1 to {LONGEST} days, the first one not after the last")
    return AskedDays(since=since, until=until)


def _day(query: Mapping[str, str], name: str) -> date | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest(f"{name} {text!r:.40} is no day: write it as 2026-03-01") from error
    check_year(day, f"{name} {text!r:.40}")
    return day
