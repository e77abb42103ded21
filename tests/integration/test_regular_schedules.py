"""What a deployed stack does regularly is listed, paused, run by hand and remembered, like a model's schedule."""

from __future__ import annotations

from typing import Any

from headwater.client import Stack
from headwater.client.waiting import wait_for
from headwater.schedules.types import CALL
from tests.projects import Project

NAME = "lake-sweep"


def test_what_is_regular_is_listed_run_paused_and_remembered(project: Project, deployed: Stack) -> None:
    listed = {one["name"]: one for one in project.done("schedule", "list")}
    calls = {name for name, one in listed.items() if one["work"]["kind"] == CALL}
    assert {NAME, "features-materialise", "features-parity", "monitoring-watch", "lineage-index"} <= calls
    assert all(one["next"] for one in listed.values())
    assert [tick["schedule"] for tick in project.done("schedule", "next", NAME, "-n", "2")] == [NAME, NAME]

    started = project.done("schedule", "run", NAME)

    def ended() -> dict[str, Any] | None:
        # Nobody looks but the wake function, which hears of the end.
        found = {tick.run: tick for tick in deployed.schedules.history(NAME)}
        tick = found.get(started["run"])
        return tick.model_dump(mode="json") if tick and not tick.status.is_open else None

    assert wait_for(ended, what="the end of the call", timeout=120)["status"] == "DONE"

    project.done("schedule", "pause", NAME, "--why", "nothing is uploaded")
    (paused,) = [one for one in project.done("schedule", "list") if one["name"] == NAME]
    assert "nothing is uploaded" in paused["paused"]
    project.done("schedule", "resume", NAME)
