"""Every alarm that the stack can raise has a page that says what to do, and labels that say whose it is."""

from __future__ import annotations

import re

import pytest

from headwater.alarms.alive.heartbeats import MISSED
from headwater.alarms.events import UNPARSED, read_mark
from tests.infra.cases import ROOT, Graph

pytestmark = pytest.mark.cloud

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
RUNBOOKS = ROOT / "docs" / "runbooks"
CONDITIONAL = {"features-materialise-late"}
"""Alarms that a stack has if a product wants them: a view that declares its freshness."""
PARTS = ("## What it means", "## Where to look", "## How it ends")


def test_every_alarm_names_a_page_and_every_page_has_an_alarm(graph: Graph) -> None:
    named = {read_mark(alarm.plain_inputs["alarmDescription"])[1]["runbook"] for alarm in graph.all(ALARM)}
    written = {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"}
    assert named <= written
    assert written - named <= {UNPARSED, MISSED, *CONDITIONAL}


def test_every_alarm_carries_its_labels_beside_its_tags(graph: Graph) -> None:
    for alarm in graph.all(ALARM):
        description, labels = read_mark(alarm.plain_inputs["alarmDescription"])
        assert description
        assert labels["capability"] == alarm.plain_inputs["tags"]["Capability"], alarm.name
        assert labels["severity"] in {"critical", "warning"}
        assert re.fullmatch(r"[a-z0-9-]+", labels["kind"]), alarm.name
        assert len(alarm.plain_inputs["alarmDescription"]) <= 1_024


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: page.stem)
def test_a_page_says_what_it_means_where_to_look_and_how_it_ends(page: object) -> None:
    text = (RUNBOOKS / str(page)).read_text(encoding="utf-8")
    if text.startswith("# Runbooks"):
        return
    assert [part for part in PARTS if part not in text] == []
    assert "    headwater " in text, "a command to look with"
