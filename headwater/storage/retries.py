"""Tries and the pauses between them: full jitter, so that writers that collided once don't collide again.

Ten lines instead of a library: tenacity takes 40 ms to import, for it brings asyncio, and every cold start would pay.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator


def tries(count: int, pause: Callable[[float], None], *, base: float = 0.02, longest: float = 1.0) -> Iterator[int]:
    """The numbers of ``count`` tries from 0, with a pause before each but the first.

    Parameters
    ----------
    count : int
    pause : callable
        Called with seconds.
    base, longest : float
        Upper limits of the first pause and of all; the limit doubles with each try.
    """
    for number in range(count):
        if number:
            pause(jitter(number - 1, base=base, longest=longest))
        yield number


def jitter(failed: int, *, base: float = 0.02, longest: float = 1.0) -> float:
    """Seconds to wait after ``failed`` earlier tries and one more have failed."""
    return random.uniform(0, min(longest, base * 2**failed))  # noqa: S311
