"""The clock that tests move: what falls due on the way happens, once and in order."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest
from localcloud.clock import Clock

from localcloud import clock as clock_module


class Every:
    """Falls due at fixed distances from when it was made."""

    def __init__(self, clock: Clock, interval: timedelta, log: list[tuple[str, datetime]], name: str) -> None:
        self._clock, self._interval, self._log, self._name = clock, interval, log, name
        self._next = clock.now() + interval
        self.ran = threading.Event()

    def next_due(self) -> datetime | None:
        return self._next

    def run_due(self, now: datetime) -> None:
        assert self._clock.now() >= now
        self._log.append((self._name, now))
        while self._next <= now:
            self._next += self._interval
        self.ran.set()


def test_what_falls_due_on_the_way_runs_in_order_at_its_own_time() -> None:
    clock, log = Clock(), list[tuple[str, datetime]]()
    start = clock.now()
    clock.keep(Every(clock, timedelta(hours=2), log, "two"))
    clock.keep(Every(clock, timedelta(hours=3), log, "three"))
    after = clock.advance(timedelta(hours=7))
    assert [name for name, _ in log] == ["two", "three", "two", "two", "three"]
    assert [round((moment - start) / timedelta(hours=1)) for _, moment in log] == [2, 3, 4, 6, 6]
    assert after - start >= timedelta(hours=7)
    assert clock.now() >= after


def test_the_clock_never_goes_back() -> None:
    clock = Clock()
    with pytest.raises(ValueError, match="can't go back"):
        clock.advance(timedelta(seconds=-1))


def test_a_long_way_with_too_many_stops_ends_with_one_catching_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(clock_module, "MOST_STOPS", 10)
    clock, log = Clock(), list[tuple[str, datetime]]()
    clock.keep(Every(clock, timedelta(minutes=1), log, "minute"))
    clock.advance(timedelta(days=365))
    assert len(log) == 11
    assert "the rest is done once" in caplog.text


def test_real_time_runs_appointments_too() -> None:
    clock, log, stopped = Clock(), list[tuple[str, datetime]](), threading.Event()
    soon = Every(clock, timedelta(milliseconds=1), log, "soon")
    thread = threading.Thread(target=clock.attend, args=(soon, stopped))
    thread.start()
    assert soon.ran.wait(20)
    stopped.set()
    thread.join(20)
    assert not thread.is_alive()


def test_what_is_forgotten_doesnt_run() -> None:
    clock, log = Clock(), list[tuple[str, datetime]]()
    hourly = Every(clock, timedelta(hours=1), log, "hour")
    clock.keep(hourly)
    clock.forget(hourly)
    clock.advance(timedelta(days=1))
    assert log == []


def test_waiting_ends_when_the_clock_is_moved_there() -> None:
    clock = Clock()
    moment = clock.now() + timedelta(days=1)
    reached: list[bool] = []
    thread = threading.Thread(target=lambda: reached.append(clock.wait_until(moment, threading.Event())))
    thread.start()
    clock.advance(timedelta(days=1))
    thread.join(20)
    assert reached == [True]
