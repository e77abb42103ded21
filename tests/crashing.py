"""Where tests let a process die: at every third place of many, at other thirds tomorrow; `make nightly` takes all.

A run that fails names its places: pytest's first lines say the day, and HEADWATER_CRASH_DAY takes it again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from zlib import crc32

STEP = int(os.environ.get("HEADWATER_CRASH_STEP", "3"))
DAY = int(os.environ.get("HEADWATER_CRASH_DAY", datetime.now(UTC).toordinal()))


def crash_points(first: int, of: str) -> Iterator[int]:
    """Numbers of calls from ``first`` on, without an end: whoever dies at none of its calls has seen the last.

    Parameters
    ----------
    first : int
        The number of the first call.
    of : str
        What dies, so that not all tests take the same third.
    """
    return count(first + (crc32(of.encode()) + DAY) % STEP, STEP)


def described() -> str:
    """Which places these are, and how to have them again."""
    again = f"HEADWATER_CRASH_DAY={DAY} HEADWATER_CRASH_STEP={STEP}"
    return f"crash points: 1 of {STEP}, as with {again}; all of them in `make nightly`"
