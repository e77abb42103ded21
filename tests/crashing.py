"""Where tests let a process die: at every third place of many, at other thirds tomorrow; `make nightly` takes all.

A run that fails names its places: pytest's first lines say the day, and HEADWATER_CRASH_DAY takes it again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any
from zlib import crc32

import pytest

STEP = int(os.environ.get("HEADWATER_CRASH_STEP", "3"))
DAY = int(os.environ.get("HEADWATER_CRASH_DAY", datetime.now(UTC).toordinal()))


class Killed(BaseException):
    """The process is gone: nothing catches it, and nothing that it would have done afterwards happens."""


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


@dataclass
class Death:
    """Whether the process died."""

    came: bool = False


@contextmanager
def dying_at(number: int, *calls: tuple[type, Sequence[str]], when: str = "before") -> Iterator[Death]:
    """In which the process dies at the n-th call of some methods, before it is made or after it was.

    Parameters
    ----------
    number : int
        The call, from 1 on; 0: none.
    calls : tuples of a class and its methods' names
    when : str
        "before" or "after".
    """
    left, death = [number], Death()
    with pytest.MonkeyPatch.context() as patches:
        for owner, names in calls:
            for name in names:
                original = getattr(owner, name)

                def call(*given: Any, _original: Any = original, **more: Any) -> Any:
                    left[0] -= 1
                    dies = left[0] == 0
                    if dies and when == "before":
                        raise Killed
                    answer = _original(*given, **more)
                    if dies:
                        raise Killed
                    return answer

                patches.setattr(owner, name, call)
        try:
            yield death
        except Killed:
            death.came = True
