"""Both loops on a deployed stack: July's flights raise an alarm, a broken feed isn't learnt, and a mended one is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import pytest

import headwater.client.description
from headwater.client import Stack, connect
from headwater.demo.flights import MonthFile, change, month_departures, month_files
from headwater.demo.summer import SENSOR, STUCK_AT, ask
from headwater.retraining.types import Decision
from tests.projects import Project

pytestmark = pytest.mark.cloud

T = TypeVar("T")
MODEL, YEAR, MONTH = "flight_delay", 2013, 7
EVERY, EACH = 3, 3
BROKEN, MENDED, LAST = date(YEAR, MONTH, 12), date(YEAR, MONTH, 15), date(YEAR, MONTH, 24)
POLICY = """retraining=Retraining(reasons=("schedule", "drift", "performance"), debounce="1s"),
    retrain="""
STEP = "2h"
"""Of the clock: the monitor's look, and the policy's behind it."""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """The flights project, whose model is retrained by its alarms."""
    made = Project.copy(tmp_path)
    product = made.root / "pipelines" / "flights" / "product.py"
    text = product.read_text().replace("retrain=", POLICY, 1)
    product.write_text(text.replace("    Schedule,\n", "    Retraining,\n    Schedule,\n", 1))
    try:
        yield made
    finally:
        made.run("local", "down", "--yes")


def test_an_alarm_retrains_once_the_feed_is_mended(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    first = project.done("demo", "--months", "4", "--every", str(EVERY), "--no-retrain", "--no-summer")
    assert first["version"] == 1
    cloud = client_of(project, monkeypatch)
    policy = project.done("retrain", "policy", MODEL)
    assert policy["reasons"] == ["schedule", "drift", "performance"]

    # A sensor says one value: the alarm goes off, and nothing is learnt from it.
    upload(cloud, project.home, is_broken=True)
    count = ask_about(cloud, date(YEAR, MONTH, 1), MENDED)
    assert count > 1_000
    refused = settled(project, lambda: decided(cloud, "quality"))
    assert refused.verdict in {"REFUSED", "BLOCKED"}
    assert f"{SENSOR} stuck" in refused.words
    code, said = project.refused("retrain", "run", MODEL, "--yes")
    assert (code, said["reason"]) == (5, "RetrainingRefused")
    assert f"{SENSOR} stuck" in said["message"]
    # So is a tick: it is the policy's to decide, and the ledger has its reason.
    tick = ticked(project)
    assert (tick["status"], tick["origin"]) == ("SKIPPED", "manual")
    assert f"{SENSOR} stuck" in tick["reason"]
    assert len(trainings(project)) == 1

    # It is mended: the alarm still fires, for July isn't winter, and what is new is learnt.
    upload(cloud, project.home, is_broken=False)
    assert ask_about(cloud, MENDED, LAST) > 900
    # Records have the machine's clock: what is asked after the clock was moved is compacted a day later.
    requested = settled(project, lambda: decided(cloud, "", "REQUESTED"), step="26h")
    assert requested.kind in {"drift", "performance"}
    assert len(trainings(project)) == 2
    project.run("runs", "watch", requested.run_id)
    over = settled(project, lambda: decided(cloud, "", "PROMOTED", "REJECTED"))
    state = project.done("retrain", "status", MODEL)[0]
    assert (state["phase"], len(state["tokens"])) == ("COOLDOWN", 1)
    assert state["tokens"][0]["dollars"] > 0
    card = project.done("models", "show", MODEL, "--version", "2")
    if over.verdict == "REJECTED":
        assert "champion" in " ".join(card["reasons"])
        assert state["factor"] == 2
    else:
        assert "production" in card["aliases"]
        assert state["factor"] == 1
    # The same data are not trained again, whoever asks.
    _, again = project.refused("retrain", "run", MODEL, "--yes")
    assert "the very data that there is now" in again["message"]
    tick = ticked(project)
    assert tick["status"] == "SKIPPED"
    assert again["message"].endswith(tick["reason"])
    assert len(trainings(project)) == 2
    # The policy's own look is a schedule like all others.
    looks = {one["name"]: one["last"] for one in project.done("schedule", "list")}["retraining-decide"]
    assert looks is not None


def client_of(project: Project, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("HEADWATER_HOME", str(project.home))
    for name in ("HEADWATER_STACK", "AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    return connect(headwater.client.description.LOCAL)


def upload(cloud: Stack, folder: Path, *, is_broken: bool) -> None:
    """July's weather and flights; the hygrometers of all airports say the same from one day on."""
    weather, flights = month_files(folder, [MONTH], every=EVERY)
    if is_broken:
        break_from(weather, BROKEN)
    for file in (weather, flights):
        cloud.ingestions.wait(cloud.upload(file.source, file.path), timeout=300)


def break_from(weather: MonthFile, day: date) -> None:
    change(
        weather,
        lambda row: date(int(row["year"]), int(row["month"]), int(row["day"])) >= day,
        lambda _: {SENSOR: STUCK_AT},
    )


def ask_about(cloud: Stack, since: date, until: date) -> int:
    flights = [one for one in month_departures(YEAR, MONTH, every=EVERY)[::EACH] if since <= one.as_of.date() < until]
    return sum(ask(cloud, MODEL, flights))


def decided(cloud: Stack, code: str, *verdicts: str) -> Decision | None:
    """The newest decision with this code, and one of the verdicts if there are any."""
    found = cloud.retraining.why(MODEL, number=100)
    return next((one for one in found if one.code == code and (not verdicts or one.verdict in verdicts)), None)


def ticked(project: Project) -> dict[str, Any]:
    """The tick of a run that a person starts by the schedule, once it is known what became of it."""
    started = project.done("schedule", "run", f"retrain-{MODEL}")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found: list[dict[str, Any]] = project.done("schedule", "history", f"retrain-{MODEL}")
        tick = next(one for one in found if one["run"] == started["run"] or one["at"] == started["at"])
        if tick["status"] not in {"DUE", "STARTED"}:
            return tick
        time.sleep(1)
    raise AssertionError(project.run("schedule", "history", f"retrain-{MODEL}").out)


def trainings(project: Project) -> list[str]:
    return [run["id"] for run in project.done("runs", "list")]


def settled(project: Project, look: Callable[[], T | None], step: str = STEP) -> T:
    """What ``look`` finds while the clock is moved on by some hours."""
    for _ in range(8):
        project.done("local", "clock", "advance", step)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if (found := look()) is not None:
                return found
            time.sleep(1)
    raise AssertionError(project.run("retrain", "why", MODEL).out + project.run("alarms", "list").out)
