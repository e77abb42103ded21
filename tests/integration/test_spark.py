"""A view that Spark computes on the deployed system: found missing, computed, kept and brought online by itself."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from headwater.client import Stack
from headwater.client.waiting import wait_for
from tests.projects import Project

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.skipif(
        shutil.which("java") is None and "JAVA_HOME" not in os.environ,
        reason="Spark needs Java 17: no java on this machine",
    ),
]

ROWS = (
    "shop,number,sold,amount\n"
    "a,1,2013-01-01T00:00:00Z,1\na,2,2013-01-01T01:00:00Z,20\nb,3,2013-01-01T00:00:00Z,4\nb,4,2013-01-01T02:00:00Z,0.5\n"
)


def runs(deployed: Stack) -> dict[str, dict[str, Any]]:
    """Spark's runs that have ended, by the view in their names."""
    client = deployed.clients("stepfunctions")
    (machine,) = [
        one["stateMachineArn"]
        for one in client.list_state_machines()["stateMachines"]
        if one["name"].endswith("-features-spark")
    ]
    found = client.list_executions(stateMachineArn=machine)["executions"]
    ended = [one for one in found if one["status"] != "RUNNING"]
    return {one["name"].partition("-")[0]: client.describe_execution(executionArn=one["executionArn"]) for one in ended}


def test_a_view_is_computed_by_spark_and_one_that_it_cannot_compute_says_why(
    project: Project, deployed: Stack, tmp_path: Path
) -> None:
    file = tmp_path / "sales.csv"
    file.write_text(ROWS)
    project.done("upload", "sales", str(file), "--wait")

    def both() -> dict[str, dict[str, Any]] | None:
        found = runs(deployed)
        return found if found.keys() >= {"large_sales", "large_names"} else None

    ended = wait_for(both, what="Spark", timeout=300)
    good, bad = ended["large_sales"], ended["large_names"]
    assert good["status"] == "SUCCEEDED", good.get("cause")
    rows = deployed.features.online([{"shop": "a"}, {"shop": "b"}], ["large_sales.total"])
    found = [(row["large_sales__total"], row["large_sales__status"]) for row in rows]
    # Long ago, but within the view's TTL.
    assert found == [(21, "FOUND"), (4.5, "FOUND")]
    assert (bad["status"], bad["error"]) == ("FAILED", "InvalidView")
    assert "feature view 'large_names': its SQL fails: [UNRESOLVED_ROUTINE]" in bad["cause"]

    # Nobody tries again by himself.
    code, refused = project.refused("features", "compute", "large_names")
    assert (code, refused["reason"]) == (5, "SparkFailed")
    assert "headwater features compute large_names --again" in refused["next"]

    # The alarm looks at a minute at a time; by now it may be over.
    project.done("local", "clock", "advance", "1m")
    name = f"headwater-{deployed.description.name}-features-spark-failed"

    def told() -> object:
        return next((alarm for alarm in deployed.alarms.list() if alarm.name == name and alarm.told), None)

    assert wait_for(told, what="the alarm", timeout=120)
