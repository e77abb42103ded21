"""Crash points: some each day, all of them in as many days as there are parts."""

from __future__ import annotations

from itertools import takewhile

import pytest

from tests import crashing


@pytest.mark.parametrize("step", [1, 3])
def test_the_days_together_take_every_place_once(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    monkeypatch.setattr(crashing, "STEP", step)
    taken: list[int] = []
    for day in range(739_000, 739_000 + step):
        monkeypatch.setattr(crashing, "DAY", day)
        taken += takewhile(lambda number: number < 31, crashing.crash_points(1, "look"))
    assert sorted(taken) == list(range(1, 31))
