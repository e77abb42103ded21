"""Prometheus' alerting rules: what is worth an alert, how soon somebody should look, and by which command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from headwater.monitoring.dashboards import families
from headwater.monitoring.dashboards.families import SEVERITIES
from headwater.monitoring.dashboards.panels import DAY, HOUR

JOB = "headwater"
"""Name of the scraping job that the rules ask for (docs/how-to/grafana.md)."""
LOW_COVERAGE = 0.2


@dataclass(frozen=True)
class Rule:
    """An alert. ``severity`` is `page` (at once), `ticket` (by daylight) or `info`."""

    name: str
    expression: str
    lasts: str
    """How long it must hold, as Prometheus writes durations."""
    severity: str
    summary: str
    description: str
    command: str
    """The command to run first."""


_MODEL = "{{ $labels.model }}"

RULES = (
    Rule(
        name="HeadwaterModelAlarm",
        expression=f"max by (model) ({families.ALARM.name}) == 1",
        lasts="0s",
        severity="ticket",
        summary=f"Model {_MODEL} is in alarm",
        description="Its requests have changed or are broken: two bad days of the last three, or an extreme one. Or "
        "its performance is worse than its limit: then HeadwaterModelPage goes off as well.",
        command=f"headwater monitor status {_MODEL}",
    ),
    Rule(
        name="HeadwaterModelPage",
        expression=f"max by (model) ({families.SEVERITY.name}) == {SEVERITIES.index('PAGE')}",
        lasts="0s",
        severity="page",
        summary=f"Model {_MODEL} answers worse than its limit",
        description="Its realised or estimated performance is worse than the baseline less the tolerance.",
        command=f"headwater monitor performance {_MODEL}",
    ),
    Rule(
        name="HeadwaterNoLook",
        expression=f"time() - max by (model) ({families.LOOK.name}) > {3 * HOUR}",
        lasts="5m",
        severity="ticket",
        summary=f"Model {_MODEL} hasn't been looked at for {{{{ $value | humanizeDuration }}}}",
        description="The hourly function that watches models fails or isn't called: what else is told of it is old.",
        command="headwater alarms list",
    ),
    Rule(
        name="HeadwaterStatusUnreadable",
        expression=f"max by (model) ({families.UNREADABLE.name}) == 1",
        lasts="5m",
        severity="ticket",
        summary=f"The status of model {_MODEL} can't be read",
        description="Another version of Headwater wrote it, or it is damaged: nothing else is told of the model.",
        command=f"headwater monitor status {_MODEL}",
    ),
    Rule(
        name="HeadwaterStaleWindow",
        expression=f"time() - max by (model) ({families.WINDOW_END.name}) > {2 * DAY}",
        lasts="1h",
        severity="ticket",
        summary=f"No day of model {_MODEL} was judged for {{{{ $value | humanizeDuration }}}}",
        description="It gets no or too few predictions, or their log isn't compacted.",
        command=f"headwater monitor drift {_MODEL}",
    ),
    Rule(
        name="HeadwaterLowLabelCoverage",
        expression=f"max by (model) ({families.LABEL_COVERAGE.name}) < {LOW_COVERAGE}",
        lasts="1d",
        severity="info",
        summary=f"{{{{ $value | humanizePercentage }}}} of the predictions of model {_MODEL} are labelled",
        description="Its realised performance is that of few predictions, perhaps not of typical ones.",
        command=f"headwater monitor performance {_MODEL}",
    ),
    Rule(
        name="HeadwaterScrapeFails",
        expression=f'up{{job="{JOB}"}} == 0',
        lasts="15m",
        severity="ticket",
        summary="Prometheus can't read the metrics of {{ $labels.instance }}",
        description="The token expired or was revoked (401), or the API fails.",
        command="headwater monitor token list",
    ),
    Rule(
        name="HeadwaterNoModels",
        expression=f"absent({families.LOOK.name})",
        lasts="3h",
        severity="ticket",
        summary="No status of any model is known",
        description="No model was looked at yet, or nothing is scraped by a job of this name.",
        command="headwater monitor status",
    ),
)


def rules() -> str:
    """The file ``rules.yml``."""
    return "".join(_lines())


def _lines() -> Iterator[str]:
    yield "# Written by `headwater monitor dashboards --rules`.\n"
    yield "groups:\n  - name: headwater\n    rules:\n"
    for rule in RULES:
        yield f"      - alert: {rule.name}\n"
        yield f"        expr: {_quoted(rule.expression)}\n"
        yield f"        for: {rule.lasts}\n"
        yield f"        labels:\n          severity: {rule.severity}\n"
        yield f"        annotations:\n          summary: {_quoted(rule.summary)}\n"
        yield f"          description: {_quoted(rule.description)}\n"
        yield f"          runbook: {_quoted(rule.command)}\n"


def _quoted(text: str) -> str:
    # Every JSON text is one of YAML.
    return json.dumps(text, ensure_ascii=False)
