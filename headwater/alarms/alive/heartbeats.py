"""Heartbeats that are expected: an alarm goes off when one is missed, and is over with the next.

One timer a heartbeat looks whether it was missed, at the time by which the newest beat is too old; a beat only notes
its time. Between two looks nothing runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from datetime import datetime, timedelta

from headwater.alarms.alive.store import AliveStore
from headwater.alarms.alive.types import HeartbeatState
from headwater.alarms.errors import AlarmBusy, NoSuchHeartbeat
from headwater.alarms.events import AlarmEvent, AlarmState
from headwater.alarms.service import OVERDUE
from headwater.alarms.timers import Sender
from headwater.clock import Clock, utc_now
from headwater.declare.alarms import Alarms
from headwater.declare.on_call import Heartbeat
from headwater.declare.schedules import said_of

MISSED = "heartbeat-missed"
"""The alarm's name, and its runbook."""
_TRIES = 10


@dataclass(frozen=True)
class Heartbeats:
    """Takes beats, and looks after those that don't come."""

    store: AliveStore
    queue: Sender
    """Brings ``{"heartbeat": ..., "turn": ...}`` at the time of a look, and events to the alarm manager."""
    declared: Alarms
    """Heartbeats that are expected."""
    _: KW_ONLY
    stack: str = ""
    """The label ``stack`` of the alarms."""
    now: Clock = utc_now

    def beat(self, name: str) -> HeartbeatState:
        """Something is alive.

        Raises
        ------
        NoSuchHeartbeat
            No heartbeat of that name is declared.
        """
        expected = self.declared.heartbeat(name)
        if expected is None:
            names = ", ".join(sorted(one.name for one in self.declared.heartbeats)) or "none"
            raise NoSuchHeartbeat(f"no heartbeat {name!r} is expected: there are {names}; declare it in alarms.py")
        for _ in range(_TRIES):
            before, now = self.store.heartbeat(name), self.now()
            state = before or HeartbeatState(name=name, since=now)
            if state.missed_at is not None:
                # Before it is noted: who dies in between leaves it missed, and the next beat says so again.
                self._tell(expected, state, now, fires=False)
            after = self._changed(state, at=max(now, state.at or now), missed_at=None)
            if after.due is None:
                after = self._armed(after, after.too_old(expected))
            if self.store.keep_heartbeat(after, before):
                return after
        raise AlarmBusy(f"heartbeat {name!r}: {_TRIES} times somebody else beat it")

    def look(self, name: str, turn: int) -> HeartbeatState | None:
        """Look whether a heartbeat was missed, when its timer has run out; None if that timer counts no more."""
        for _ in range(_TRIES):
            before, expected, now = self.store.heartbeat(name), self.declared.heartbeat(name), self.now()
            if before is None or turn < before.turn:
                return None
            if expected is None:
                return self._forget(before, now)
            if before.missed_at is not None:
                self._tell(expected, before, before.missed_at, fires=True)
                return before
            too_old = before.too_old(expected)
            if now < too_old:
                after = self._armed(self._changed(before, turn=max(turn, before.turn)), too_old)
            else:
                after = self._changed(
                    before, missed_at=too_old, due=None, turn=max(turn, before.turn), severity=expected.severity
                )
            if self.store.keep_heartbeat(after, before):
                if after.missed_at is not None:
                    self._tell(expected, after, after.missed_at, fires=True)
                return after
        raise AlarmBusy(f"heartbeat {name!r}: {_TRIES} times somebody else beat it")

    def expect(self) -> list[str]:
        """Wait for each declared heartbeat that nobody waits for, and look after timers that were lost; their names."""
        return list(self._expected())

    def _expected(self) -> Iterator[str]:
        now = self.now()
        known = {state.name: state for state in self.store.heartbeats()}
        for expected in self.declared.heartbeats:
            state = known.pop(expected.name, None)
            if state is None:
                first = HeartbeatState(name=expected.name, since=now)
                if self.store.keep_heartbeat(self._armed(first, first.too_old(expected)), None):
                    yield expected.name
            elif state.missed_at is None and state.due is None:
                # It wasn't declared for a while.
                again = self._changed(state, since=now)
                if self.store.keep_heartbeat(self._armed(again, again.too_old(expected)), state):
                    yield expected.name
            elif state.due is not None and state.due + OVERDUE < now:
                self.look(state.name, state.turn)
                yield state.name
        for state in known.values():
            if state.missed_at is not None or state.due is not None:
                self._forget(state, now)

    def _forget(self, state: HeartbeatState, now: datetime) -> HeartbeatState:
        """End the alarm of a heartbeat that isn't declared any more."""
        if state.missed_at is not None:
            self._tell(None, state, now, fires=False)
        after = self._changed(state, missed_at=None, due=None)
        self.store.keep_heartbeat(after, state)
        return after

    def _armed(self, state: HeartbeatState, due: datetime) -> HeartbeatState:
        # Sent before it is kept: who dies in between leaves a timer that finds nothing to do, not one that is missing.
        after = state.model_copy(update={"due": due, "turn": state.turn + 1})
        delay = max(timedelta(0), due - self.now())
        message = {"heartbeat": state.name, "turn": after.turn}
        self.queue.send(message, delay=delay, name=f"heartbeat-{state.name}-{after.turn}")
        return after

    def _changed(self, state: HeartbeatState, **changes: object) -> HeartbeatState:
        return state.model_copy(update={"version": state.version + 1, **changes})

    def _tell(self, expected: Heartbeat | None, state: HeartbeatState, at: datetime, *, fires: bool) -> None:
        last = f"{state.at:%Y-%m-%d %H:%M:%S} UTC" if state.at else "never"
        reason = f"the last beat of {state.name} came {last}"
        if fires and expected is not None:
            reason += f"; one is expected every {said_of(expected.every)}, at most {said_of(expected.grace)} later"
        elif not fires:
            reason = f"{state.name} beats again" if expected else f"{state.name} isn't expected any more"
        missed = state.missed_at or at
        event = AlarmEvent(
            name=MISSED,
            state=AlarmState.ALARM if fires else AlarmState.OK,
            at=at,
            reason=reason,
            id=_digest(state.name, missed.isoformat(), str(fires)),
            labels={
                "heartbeat": state.name,
                "kind": "heartbeat",
                "capability": "alarms",
                "severity": state.severity,
                **({"stack": self.stack} if self.stack else {}),
            },
            runbook=MISSED,
        )
        self.queue.send({"event": event.model_dump(mode="json")})


def _digest(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:24]
