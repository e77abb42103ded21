"""The local cloud's time, which a test or ``headwater local clock advance 7d`` can move forward."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class Clock:
    """Real time plus what it was advanced by; never goes back.

    Schedules and alarms live by this clock. Moto's own timestamps stay real.
    """

    def __init__(self) -> None:
        self._offset = timedelta(0)
        self._changed = threading.Condition()
        self._listeners: list[Callable[[datetime, datetime], None]] = []

    def now(self) -> datetime:
        """The local cloud's time (UTC)."""
        with self._changed:
            return datetime.now(UTC) + self._offset

    def advance(self, by: timedelta) -> datetime:
        """Move the time forward and run everything that falls due on the way, in order, before returning.

        Raises
        ------
        ValueError
            ``by`` is negative.
        """
        if by < timedelta(0):
            raise ValueError(f"the clock can't go back: asked to advance by {by}")
        with self._changed:
            before = datetime.now(UTC) + self._offset
            self._offset += by
            after = before + by
            self._changed.notify_all()
        for listener in tuple(self._listeners):
            listener(before, after)
        return after

    def on_advance(self, listener: Callable[[datetime, datetime], None]) -> None:
        """Call ``listener(before, after)`` whenever the clock is moved by hand."""
        self._listeners.append(listener)

    def wait_until(self, moment: datetime, stopped: threading.Event) -> bool:
        """Block until ``moment`` has come by this clock, or ``stopped`` is set; True if it has come."""
        while not stopped.is_set():
            with self._changed:
                remaining = (moment - (datetime.now(UTC) + self._offset)).total_seconds()
                if remaining <= 0:
                    return True
                self._changed.wait(min(remaining, 0.5))
        return False
