"""Pings: an address outside is asked regularly, so that somebody who isn't part of the stack hears when it is dead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from headwater.alarms.alive.store import AliveStore
from headwater.alarms.alive.types import PingState
from headwater.alarms.errors import NotificationFailed
from headwater.alarms.service import OVERDUE
from headwater.alarms.timers import Sender
from headwater.clock import Clock, utc_now
from headwater.declare.alarms import Alarms
from headwater.declare.on_call import Ping


@dataclass(frozen=True)
class Pings:
    """Asks the declared addresses, each in its time."""

    store: AliveStore
    queue: Sender
    """Brings ``{"ping": ..., "turn": ...}`` at the time of a ping."""
    declared: Alarms
    """Addresses."""
    ask: Callable[[Ping], None]
    """Asks one address once, or raises `NotificationFailed`."""
    now: Clock = utc_now

    def send(self, name: str, turn: int, *, is_early: bool = False) -> str | None:
        """Ask an address whose time has come; the problem, empty if it answered; None if this turn counts no more."""
        ping = next((one for one in self.declared.pings if one.name == name), None)
        before, now = self.store.ping(name), self.now()
        if ping is None or before is None or turn < before.turn:
            return None
        if is_early and before.due is not None and before.due > now:
            self._wake(name, turn, before.due)
            return None
        after = PingState(name=name, turn=turn + 1, due=now + ping.every, at=now, problem=before.problem)
        # The next one first: who dies from here on skips one ping, and not all later ones.
        self._wake(name, after.turn, now + ping.every)
        if not self.store.keep_ping(after, before):
            return None
        problem = ""
        try:
            self.ask(ping)
        except NotificationFailed as failure:
            problem = failure.message[:500]
        if problem != after.problem:
            # What is told to people is the log's; this is for `alarms heartbeats`, and may get lost.
            self.store.keep_ping(after.model_copy(update={"problem": problem}), after)
        return problem

    def expect(self) -> list[str]:
        """Begin with addresses that were never asked, or whose timer was lost; their names."""
        begun, now = [], self.now()
        for ping in self.declared.pings:
            before = self.store.ping(ping.name)
            if before is None or before.due is None or before.due + OVERDUE < now:
                turn = before.turn + 1 if before else 1
                first = before or PingState(name=ping.name)
                if self.store.keep_ping(first.model_copy(update={"turn": turn, "due": now}), before):
                    self._wake(ping.name, turn, now)
                    begun.append(ping.name)
        return begun

    def _wake(self, name: str, turn: int, at: datetime) -> None:
        delay = max(timedelta(0), at - self.now())
        self.queue.send({"ping": name, "turn": turn}, delay=delay, name=f"ping-{name}-{turn}")
