"""A model watched through the deployed system: asked by the API, compacted, judged, an alarm that people hear of."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headwater.client import Stack
from headwater.client.waiting import wait_for
from headwater.monitoring.drift.standing import State
from tests.projects import Project

pytestmark = pytest.mark.cloud

MODEL, ROWS, FOUNDING = "house_price", 60, 30
FIRST = datetime(2025, 3, 3, 12, tzinfo=UTC)
"""Noon of a Monday: the moment that the first day's predictions are asked about."""


def days(sample: Path) -> Iterator[list[dict[str, Any]]]:
    """Houses of one usual day after the other."""
    with sample.open(newline="") as lines:
        known = list(csv.DictReader(lines))
    draw = np.random.default_rng(7)
    while True:
        yield [
            {"rooms": float(row["rooms"]), "area": float(row["area"]), "district": row["district"]}
            for row in (known[place] for place in draw.integers(0, len(known), ROWS).tolist())
        ]


def ask(stack: Stack, houses: Iterator[list[dict[str, Any]]], first: int, count: int, **fault: Any) -> None:
    """Ask the API about some days, one request a day; ``fault`` replaces a column."""
    for place in range(first, first + count):
        rows = [{**row, **fault} for row in next(houses)]
        stack.predict(MODEL, rows, as_of=FIRST + timedelta(days=place))


def look(project: Project, stack: Stack, last: int) -> Any:
    """Let hours pass until a day is judged; the status then."""
    day = (FIRST + timedelta(days=last)).date()
    # Each schedule once an hour, the compaction's before the look's; on the way here both go off together.
    for _ in range(2):
        project.done("local", "clock", "advance", "1h")

    def judged() -> Any:
        status = stack.monitor.status(MODEL).status
        return status if status is not None and status.day == day else None

    return wait_for(judged, what=f"the verdict on {day}", timeout=120)


def told(stack: Stack) -> str:
    """What the alarm manager told people of the model last."""
    name = f"headwater-{stack.description.name}-model-{MODEL}"
    return next("ALARM" if alarm.told else "" for alarm in stack.alarms.list() if alarm.name == name)


def test_a_broken_column_reaches_people_as_one_alarm(served: Project, deployed: Stack, sample: Path) -> None:
    houses = days(sample)
    ask(deployed, houses, 0, FOUNDING + 1)
    usual = look(served, deployed, FOUNDING)
    assert usual.state in (State.NORMAL, State.SUSPECT), usual
    ask(deployed, houses, FOUNDING + 1, 1, district="atlantis")
    broken = look(served, deployed, FOUNDING + 1)
    assert broken.state is State.ALARM
    assert broken.reason.startswith("district unseen 100%")
    served.done("local", "clock", "advance", "1h")
    assert wait_for(lambda: told(deployed) == "ALARM" or None, what="the alarm", timeout=120)
