"""Waiting for something that happens elsewhere: by a deadline, with pauses that grow."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from headwater.client.errors import TookTooLong

T = TypeVar("T")


def wait_for(
    look: Callable[[], T | None],
    *,
    what: str,
    timeout: float,
    pauses: tuple[float, float] = (0.1, 2.0),
) -> T:
    """Look until there is something to see.

    Parameters
    ----------
    look : callable
        Answers None as long as there is nothing.
    what : str
        What is waited for, in words for the error.
    timeout : float
        Seconds.
    pauses : (float, float)
        Shortest and longest pause between two looks, seconds.

    Raises
    ------
    TookTooLong
        Nothing was seen in time.
    """
    deadline = time.monotonic() + timeout
    pause, longest = pauses
    while (seen := look()) is None:
        if time.monotonic() + pause > deadline:
            raise TookTooLong(f"{what}: nothing came of it within {timeout:g} s")
        time.sleep(pause)
        pause = min(pause * 1.5, longest)
    return seen
