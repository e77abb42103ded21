"""Waiting, while the clock is moved, until what was started has come to rest; bounded, for some things never rest.

What waits by the machine's clock (a Wait state, a retry, a message that is invisible or delayed) is waited out if that
is a matter of two seconds, and passed by otherwise. What is at work is waited for as long as the bound says, once in a
move: a training of ten minutes costs the bound at one stop, not at each of the hours that are moved over.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from localcloud.context import CloudContext
    from localcloud.rest import Going

_SHORT = 2.0  # seconds of the machine's clock that are waited out
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.04
_SHARE = 4  # pauses are at least so many times as long as a look takes


@dataclass
class Passed:
    """Things of one kind that the clock didn't wait for."""

    first: datetime
    """The cloud's time at the first stop that was left without them."""
    stops: int = 0
    keys: set[str] = field(default_factory=set)


class Settling:
    """Waits at the stops of one move.

    Parameters
    ----------
    cloud : CloudContext
        Whose clock is moved.
    within : float or None
        Seconds that a stop may take; None waits for nothing.
    halted : threading.Event
        Ends the move where it is.
    """

    def __init__(self, cloud: CloudContext, within: float | None, halted: threading.Event) -> None:
        self._cloud, self._within, self._halted = cloud, within, halted
        self._outlasted: set[str] = set()
        self._passed: dict[str, Passed] = {}
        self.waits_for: tuple[Going, ...] = ()
        """What the stop where the clock is now waits for."""

    def __call__(self) -> bool:
        """Wait until all is at rest, or the bound is reached; False if the move was halted meanwhile."""
        if self._within is not None:
            self._settle(time.monotonic() + self._within)
            self.waits_for = ()
        return not self._is_over()

    def passed(self) -> list[dict[str, Any]]:
        """What wasn't waited for, in plain values.

        Each has ``what``, ``count`` (of different ones), ``stops`` and ``first`` (the cloud's time), ``going`` (how
        many of them go on still) and, if these wait by the machine's clock, ``seconds`` until the first goes on (None
        if that isn't known).
        """
        going = self._cloud.going_on() if self._passed else []
        told = []
        for what, passed in self._passed.items():
            still = [it for it in going if it.what == what and it.key in passed.keys]
            pauses = [it.until - time.monotonic() for it in still if it.until is not None and it.until < math.inf]
            told.append(
                {
                    "what": what,
                    "count": len(passed.keys),
                    "stops": passed.stops,
                    "first": passed.first.isoformat(),
                    "going": len(still),
                    "seconds": max(round(min(pauses), 1), 0.0) if pauses else None,
                }
            )
        return told

    def _settle(self, deadline: float) -> None:
        pause, quiet = _FIRST_PAUSE, False
        while not self._is_over():
            began = time.monotonic()
            going = self._cloud.going_on()
            self.waits_for = tuple(it for it in going if self._is_worth_it(it, began))
            if self.waits_for:
                if began >= deadline:
                    self._outlasted |= {it.key for it in self.waits_for}
                    self._pass_by(going)
                    return
                quiet = False
                self._halted.wait(min(max(pause, _SHARE * (time.monotonic() - began)), max(deadline - began, 0)))
                pause = min(pause * 2, _LONGEST_PAUSE)
            elif quiet:
                self._pass_by(going)
                return
            else:
                # What went from an emulator that was still to be asked to one that had been is seen by a second look.
                quiet = True
                for write_out in self._cloud.before_rest:
                    write_out()

    def _is_worth_it(self, going: Going, now: float) -> bool:
        return going.key not in self._outlasted and (going.until is None or going.until - now <= _SHORT)

    def _is_over(self) -> bool:
        return self._halted.is_set() or self._cloud.stopped.is_set()

    def _pass_by(self, going: Iterable[Going]) -> None:
        kinds = Counter(it.what for it in going)
        for what in kinds:
            passed = self._passed.setdefault(what, Passed(self._cloud.clock.now()))
            passed.stops += 1
            passed.keys |= {it.key for it in going if it.what == what}
