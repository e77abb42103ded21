"""A newcomer's own table, by the README's commands alone: init, check, up, upload, start, predict, down."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.projects import Project, processes_of

pytestmark = pytest.mark.cloud


def test_a_table_unlike_flights_becomes_a_served_model(tmp_path: Path) -> None:
    project = Project.copy(tmp_path)
    made = project.done("init", "quick_sale", "--task", "classification")
    assert "pipelines/quick_sale/product.py" in made["files"]
    assert "quick_sale" in project.done("check")["models"]
    try:
        up = project.done("local", "up")
        assert up["resources"] > 100
        again = project.done("local", "up")
        assert again["endpoint"] == up["endpoint"]
        assert again["changes"] == {"same": up["changes"]["create"]}
        sample = "pipelines/quick_sale/sample.csv"
        (ingested,) = project.done("upload", "quick_sale_rows", sample, "--wait")
        assert (ingested["status"], ingested["rows_out"]) == ("INGESTED", 600)
        run = project.done("train", "quick_sale", "--watch")
        assert (run["status"], run["version"], run["outcome"]) == ("SUCCEEDED", 1, "READY")
        card = project.done("models", "show", "quick_sale")
        assert card["metrics"]["roc_auc"] > 0.65
        one = project.done("predict", "quick_sale", "--input", '{"rooms": 1, "area": 30, "district": "station"}')
        assert one["version"] == 1
        assert 0.5 < one["predictions"][0]["probability"] <= 1
        many = project.done("predict", "quick_sale", "--file", sample_without_label(project.root / sample, tmp_path))
        assert len(many["predictions"]) == 150
        assert project.refused("predict", "quick_sale", "--input", '{"rooms": "x"}')[0] == 2
        assert project.done("alarms", "list")
        assert project.done("local", "logs", "serving-predict")
        assert project.done("local", "status")["resources"] == up["resources"]
        goes_on_after_a_crash(project, up, one, sample)
    finally:
        down = project.run("local", "down", "--yes", "--json")
    assert down.json["was_running"] is True
    assert down.json["forgotten_bytes"] > 0
    assert not (project.home / "local" / "state").exists()
    assert processes_of(project.home) == []
    assert project.refused("local", "status")[0] == 3
    assert project.refused("models", "list")[1]["reason"] == "NoStack"


def goes_on_after_a_crash(project: Project, up: dict[str, Any], one: dict[str, Any], sample: str) -> None:
    """What was deployed, trained and uploaded is there after `kill -9`, and what was under way goes on."""
    # Nobody waits for this one: the cloud ends with the event, the execution or the function on its way.
    project.done("upload", "quick_sale_rows", str(project.root / sample))
    os.kill(project.done("local", "status")["pid"], signal.SIGKILL)
    again = project.done("local", "up")
    assert again["changes"] == {"same": up["changes"]["create"]}
    assert again["outputs"] == up["outputs"]
    same = project.done("predict", "quick_sale", "--input", '{"rooms": 1, "area": 30, "district": "station"}')
    assert same["version"] == one["version"]
    assert same["predictions"] == one["predictions"]
    # The same bytes again are another upload of the source, whose ingestion is over by then.
    assert project.done("upload", "quick_sale_rows", str(project.root / sample), "--wait")
    assert project.done("models", "show", "quick_sale")["version"] == 1
    assert project.refused("local", "down")[0] == 5


def sample_without_label(sample: Path, directory: Path) -> str:
    lines = [line.rpartition(",")[0] for line in sample.read_text().splitlines()[:151]]
    file = directory / "requests.csv"  # what is beside the product's code is deployed with it
    file.write_text("\n".join(lines) + "\n")
    return str(file)
