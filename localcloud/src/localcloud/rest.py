"""What is going on in a cloud: whoever moves its clock waits until that has come to rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class Going:
    """One thing that goes on."""

    what: str
    """For people, such as ``"execution of regular"``; things of a kind share it."""
    key: str
    """Which one it is, for as long as it goes on."""
    until: float | None = None
    """When it goes on by itself (`time.monotonic`), infinite if it won't; None if it is at work.

    Pauses of the machine's clock alone: what waits for the cloud's clock is an appointment of that.
    """


@runtime_checkable
class Busy(Protocol):
    """An emulator that starts things which go on after the call that started them."""

    def going_on(self) -> Iterable[Going]:
        """All that goes on just now. What one thing starts is there before that thing is over."""
