"""Pauses double, have a limit, and come between tries only."""

from __future__ import annotations

from headwater.storage.retries import jitter, tries


def test_a_pause_comes_before_each_try_but_the_first() -> None:
    waits: list[float] = []
    assert list(tries(4, waits.append)) == [0, 1, 2, 3]
    assert len(waits) == 3


def test_a_try_that_succeeds_ends_the_pauses() -> None:
    waits: list[float] = []
    assert next(number for number in tries(9, waits.append) if number == 2) == 2
    assert len(waits) == 2


def test_pauses_double_up_to_their_limit() -> None:
    longest = [max(jitter(failed, base=0.01, longest=0.05) for _ in range(2000)) for failed in range(5)]
    for found, limit in zip(longest, (0.01, 0.02, 0.04, 0.05, 0.05), strict=True):
        assert 0.9 * limit < found <= limit
