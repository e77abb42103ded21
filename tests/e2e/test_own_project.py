"""A project of a newcomer's own, by the README's commands, on wheels: it is upgraded, crashes, and goes on."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.projects import Project, processes_of
from tests.wheels import environment, last_release

pytestmark = pytest.mark.cloud

SAMPLE = "pipelines/quick_sale/sample.csv"
FLAT = ("predict", "quick_sale", "--input", '{"rooms": 1, "area": 30, "district": "station"}')


def test_a_project_on_wheels_serves_its_model_is_upgraded_and_outlives_a_crash(tmp_path: Path) -> None:
    """Begins with the last release, if there was one yet, and goes on with this tree."""
    before, now = environment(tmp_path / "before", last_release()), environment(tmp_path / "now")
    project = Project.new(tmp_path, "shop", before / "bin" / "python")
    made = project.done("init", "quick_sale", "--task", "classification")
    assert SAMPLE in made["files"]
    assert "quick_sale" in project.done("check")["models"]
    try:
        up = project.done("local", "up")
        assert up["resources"] > 100
        one = becomes_a_served_model(project, tmp_path)
        assert project.done("local", "status")["resources"] == up["resources"]
        kept = what_is_kept(project, tmp_path / "before.parquet")
        project = goes_on_after_an_upgrade(replace(project, python=now / "bin" / "python"), up, one)
        assert without_news(what_is_kept(project, tmp_path / "now.parquet"), kept) == kept
        goes_on_after_a_crash(project, one)
    finally:
        down = project.run("local", "down", "--yes", "--json")
    assert down.json["was_running"] is True
    assert down.json["forgotten_bytes"] > 0
    assert not (project.home / "local" / "state").exists()
    assert processes_of(project.home) == []
    assert project.refused("local", "status")[0] == 3
    assert project.refused("models", "list")[1]["reason"] == "NoStack"


def becomes_a_served_model(project: Project, scratch: Path) -> dict[str, Any]:
    """Upload, train and ask; returns the answer of a prediction."""
    (ingested,) = project.done("upload", "quick_sale_rows", SAMPLE, "--wait")
    assert (ingested["status"], ingested["rows_out"]) == ("INGESTED", 600)
    run = project.done("train", "quick_sale", "--watch")
    assert (run["status"], run["version"], run["outcome"]) == ("SUCCEEDED", 1, "READY")
    card = project.done("models", "show", "quick_sale")
    assert card["metrics"]["roc_auc"] > 0.65
    one: dict[str, Any] = project.done(*FLAT)
    assert one["version"] == 1
    assert 0.5 < one["predictions"][0]["probability"] <= 1
    many = project.done("predict", "quick_sale", "--file", sample_without_label(project.root / SAMPLE, scratch))
    assert len(many["predictions"]) == 150
    assert project.refused("predict", "quick_sale", "--input", '{"rooms": "x"}')[0] == 2
    assert project.done("alarms", "list")
    assert project.done("local", "logs", "serving-predict")
    return one


def what_is_kept(project: Project, table: Path) -> dict[str, Any]:
    """What the stack knows of the past, and the table that version 1 learnt from, made again from its commits."""
    project.done("models", "training-set", "quick_sale", "1", "--to", str(table))
    return {
        "card": project.done("models", "show", "quick_sale", "--version", "1")["metrics"],
        "commits": project.done("data", "log", "sources/quick_sale_rows"),
        "ingestions": project.done("ingestions", "list", "quick_sale_rows"),
        "table": table.read_bytes(),
    }


def without_news(now: Any, before: Any) -> Any:
    """The same without empty fields that the earlier version didn't know: of what was there it says nothing new."""
    if isinstance(now, dict) and isinstance(before, dict):
        return {name: without_news(value, before.get(name)) for name, value in now.items() if name in before or value}
    if isinstance(now, list) and isinstance(before, list) and len(now) == len(before):
        return [without_news(*pair) for pair in zip(now, before, strict=True)]
    return now


STATELESS = {
    "aws:cloudwatch/eventRule:EventRule",
    "aws:cloudwatch/eventTarget:EventTarget",
    "aws:cloudwatch/metricAlarm:MetricAlarm",
    "aws:iam/role:Role",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:lambda/permission:Permission",
    "aws:scheduler/schedule:Schedule",
    "aws:scheduler/scheduleGroup:ScheduleGroup",
    "headwater:index:Role",
}
"""What an upgrade may take away: nothing of it keeps anything."""


def goes_on_after_an_upgrade(project: Project, up: dict[str, Any], one: dict[str, Any]) -> Project:
    """Follow docs/how-to/upgrade.md: the project's own files stay, and whatever was there is served by the new one."""
    version = project.run("--version").out.strip()
    behind = project.run("models", "list", "--json")
    assert behind.code == 0
    assert ("install headwater==" in behind.err) == (up["outputs"]["version"] != version)
    assert "quick_sale" in project.done("check")["models"]
    again = project.done("local", "up")
    assert again["outputs"]["version"] == version
    # Code and the task's image are replaced by others. Alarms and rules of before go: others do their work.
    project.done("infra", "sync")
    changes = project.done("infra", "show")["changes"]
    gone = {resource["type"] for resource in changes["removed"]}
    assert gone <= STATELESS, gone - STATELESS
    assert len(changes["removed"]) >= again["changes"].get("delete", 0)
    # A second deployment changes nothing, which is known without the program; and so says the program.
    assert "nothing changed since the last deployment" in project.run("local", "up").err
    assert set(project.done("local", "up", "--again")["changes"]) == {"same"}
    assert project.done(*FLAT)["predictions"] == one["predictions"]
    return project


def goes_on_after_a_crash(project: Project, one: dict[str, Any]) -> None:
    """What was deployed, trained and uploaded is there after `kill -9`, and what was under way goes on."""
    # Nobody waits for this one: the cloud ends with the event, the execution or the function on its way.
    project.done("upload", "quick_sale_rows", str(project.root / SAMPLE))
    os.kill(project.done("local", "status")["pid"], signal.SIGKILL)
    assert set(project.done("local", "up")["changes"]) == {"same"}
    same = project.done(*FLAT)
    assert same["version"] == one["version"]
    assert same["predictions"] == one["predictions"]
    # The same bytes again are another upload of the source, whose ingestion is over by then.
    assert project.done("upload", "quick_sale_rows", str(project.root / SAMPLE), "--wait")
    assert project.done("models", "show", "quick_sale")["version"] == 1
    assert project.refused("local", "down")[0] == 5


def sample_without_label(sample: Path, directory: Path) -> str:
    lines = [line.rpartition(",")[0] for line in sample.read_text().splitlines()[:151]]
    file = directory / "requests.csv"  # what is beside the product's code is deployed with it
    file.write_text("\n".join(lines) + "\n")
    return str(file)
