"""The timers of groups: each group has one, which its earliest look sets, and a message of the queue that runs out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from headwater.alarms.errors import AlarmBusy
from headwater.alarms.store import AlarmStore, Timer
from headwater.clock import Clock

TRIES = 10
"""How often a change is tried that somebody else came before."""


class Sender(Protocol):
    """The queue of timers and notifications."""

    def send(self, message: dict[str, Any], *, delay: timedelta = ..., name: str = ...) -> None:
        """Deliver a message after a delay, at least once."""


@dataclass(frozen=True)
class Timers:
    """Sets the timers of groups, and sends the messages that run out with them."""

    store: AlarmStore
    """Keeps a timer a group."""
    queue: Sender
    """Takes ``{"group", "turn"}``, to be delivered at the timer's time."""
    now: Clock

    def arm(self, group: str, due: datetime, *, again: bool = False) -> None:
        """See to it that the group is looked at by ``due``.

        ``again`` sends the timer's message even if the timer is set: whoever set it may have died before.

        Raises
        ------
        AlarmBusy
            Somebody else set the timer each time.
        """
        for _ in range(TRIES):
            timer = self.store.timer(group)
            if timer.due is not None and timer.due <= due:
                if again:
                    self.wake(group, timer)
                return
            after = Timer(timer.turn + 1, due)
            if self.store.set_timer(group, after, timer):
                self.wake(group, after)
                return
        raise AlarmBusy(f"group {group}: {TRIES} times somebody else set its timer")

    def wake(self, group: str, timer: Timer) -> None:
        """Send the timer's message, which comes when the timer is due."""
        delay = max(timedelta(0), (timer.due or self.now()) - self.now())
        self.queue.send({"group": group, "turn": timer.turn}, delay=delay, name=f"{group}-{timer.turn}")
