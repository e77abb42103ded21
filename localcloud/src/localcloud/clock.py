"""The local cloud's time, which a test or ``localcloud clock advance 7d`` can move forward."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

logger = logging.getLogger(__name__)

MOST_STOPS = 20_000  # in one advance: a fortnight of something that falls due each minute


class Appointments(Protocol):
    """Something that falls due by the clock, such as schedules. Called by one thread at a time."""

    def next_due(self) -> datetime | None:
        """When the next thing falls due; None if nothing does."""

    def run_due(self, now: datetime) -> None:
        """Do everything that is due at ``now``; what was due several times is done once."""


class Clock:
    """Real time plus what it was advanced by; never goes back.

    Schedules and alarms live by this clock. Moto's own timestamps stay real.
    """

    def __init__(self) -> None:
        self._offset = timedelta(0)
        self._changed = threading.Condition()
        # One thread at a time keeps appointments or moves the clock, so that nothing is done twice or out of order.
        self._keeping = threading.RLock()
        self._appointments: list[Appointments] = []

    @property
    def offset(self) -> timedelta:
        """How far it is ahead of real time."""
        with self._changed:
            return self._offset

    @offset.setter
    def offset(self, offset: timedelta) -> None:
        with self._changed:
            self._offset = offset

    def now(self) -> datetime:
        """The local cloud's time (UTC)."""
        with self._changed:
            return datetime.now(UTC) + self._offset

    def advance(self, by: timedelta, *, go_on: Callable[[], bool] = lambda: True) -> datetime:
        """Move the time forward and run everything that falls due on the way, in order, before returning.

        The clock stops at each moment at which something falls due, so whoever asks it then gets that moment. After
        `MOST_STOPS` stops it goes on to the end in one step, and what is still due by then is done once.

        Parameters
        ----------
        by : timedelta
            From now on; what ``go_on`` takes at the stops isn't added.
        go_on : callable
            Asked before the clock moves to each of these moments and when it is there at last. It may wait for what was
            started; False ends the move where it is.

        Returns
        -------
        datetime
            The moment that it was moved to; the time when ``go_on`` ended it.

        Raises
        ------
        ValueError
            ``by`` is negative.
        """
        if by < timedelta(0):
            raise ValueError(f"the clock can't go back: asked to advance by {by}")
        with self._keeping:
            after = self.now() + by
            for _ in range(MOST_STOPS):
                if not go_on():
                    return self.now()
                due = self._next_due()
                if due is None or due > after:
                    break
                self._move_to(due)
                self._run_due(due)
            else:
                logger.warning("advanced by %s with more than %d things due: the rest is done once", by, MOST_STOPS)
            self._move_to(after)
            self._run_due(after)
            return after if go_on() else self.now()

    def keep(self, appointments: Appointments) -> None:
        """From now on, stop for ``appointments`` when the clock is moved."""
        with self._keeping:
            self._appointments.append(appointments)

    def forget(self, appointments: Appointments) -> None:
        """Don't stop for ``appointments`` any more."""
        with self._keeping:
            if appointments in self._appointments:
                self._appointments.remove(appointments)

    def attend(self, appointments: Appointments, stopped: threading.Event) -> None:
        """Keep ``appointments`` as real time goes by, until ``stopped`` is set; for a thread of its own."""
        while not stopped.is_set():
            with self._keeping:
                now, due = self.now(), appointments.next_due()
                if due is not None and due <= now:
                    appointments.run_due(now)
                    continue
            # New appointments may be made any time, sooner than the next one known.
            soon = now + timedelta(seconds=0.5)
            self.wait_until(soon if due is None else min(due, soon), stopped)

    def _next_due(self) -> datetime | None:
        return min((due for it in self._appointments if (due := it.next_due()) is not None), default=None)

    def _run_due(self, now: datetime) -> None:
        for appointments in tuple(self._appointments):
            if (due := appointments.next_due()) is not None and due <= now:
                appointments.run_due(now)

    def _move_to(self, moment: datetime) -> None:
        with self._changed:
            self._offset += max(moment - (datetime.now(UTC) + self._offset), timedelta(0))
            self._changed.notify_all()

    def wait_until(self, moment: datetime, stopped: threading.Event) -> bool:
        """Block until ``moment`` has come by this clock, or ``stopped`` is set; True if it has come."""
        while not stopped.is_set():
            with self._changed:
                remaining = (moment - (datetime.now(UTC) + self._offset)).total_seconds()
                if remaining <= 0:
                    return True
                self._changed.wait(min(remaining, 0.5))
        return False
