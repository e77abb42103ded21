"""Moves of the clock that somebody outside asked for: each has a thread, so that no call lasts as long as a move."""

from __future__ import annotations

import logging
import threading
import uuid
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from localcloud.settling import Settling

if TYPE_CHECKING:
    from localcloud.context import CloudContext

_LOOK_SECONDS = 0.5
_MOST = 100  # moves that are remembered for whoever asks again

_logger = logging.getLogger(__name__)


class Move:
    """One move, under way or over."""

    def __init__(
        self, name: str, cloud: CloudContext, by: timedelta, settle_within: float | None, turn: threading.Lock
    ) -> None:
        self.name = name
        self.halted = threading.Event()
        self._cloud, self._by, self._turn = cloud, by, turn
        self._settling = Settling(cloud, settle_within, self.halted)
        self._is_waiting, self._failed = True, ""
        self.over = threading.Event()
        self._passed: list[dict[str, Any]] = []
        threading.Thread(target=self._run, name="move of the clock", daemon=True).start()

    def told(self) -> dict[str, Any]:
        """How far it is, in plain values."""
        over = self.over.is_set()
        kinds = Counter(it.what for it in self._settling.waits_for)
        waits_for = [{"what": what, "count": count} for what, count in kinds.items()]
        if self._is_waiting and not over:
            waits_for = [{"what": "another move of the clock", "count": 1}]
        return {
            "move": self.name,
            "now": self._cloud.clock.now().isoformat(),
            "over": over,
            "halted": over and self.halted.is_set(),
            "failed": self._failed,
            "waits_for": waits_for,
            "passed": self._passed,
        }

    def _run(self) -> None:
        try:
            while not self._turn.acquire(timeout=_LOOK_SECONDS):
                if self.halted.is_set() or self._cloud.stopped.is_set():
                    return
            try:
                self._is_waiting = False
                self._cloud.clock.advance(self._by, go_on=self._settling)
                self._passed = self._settling.passed()
            finally:
                self._turn.release()
        except Exception as error:
            _logger.exception("the clock couldn't be moved")
            self._failed = f"{type(error).__name__}: {error}"
        finally:
            self.over.set()


class Moves:
    """The moves of a cloud, one at a time."""

    def __init__(self, cloud: CloudContext) -> None:
        self._cloud = cloud
        self._turn, self._lock = threading.Lock(), threading.Lock()
        self._moves: dict[str, Move] = {}

    def begin(self, by: timedelta, *, settle_within: float | None, name: str = "") -> Move:
        """Move the clock by so much, after the moves that were begun before; once for each ``name``.

        Raises
        ------
        ValueError
            ``by`` or ``settle_within`` is negative or no number.
        """
        if by < timedelta(0) or (settle_within is not None and not settle_within >= 0):
            raise ValueError(f"the clock can't go back: asked to advance by {by} and to settle within {settle_within}")
        with self._lock:
            for old in [it for it in self._moves.values() if it.over.is_set()][:-_MOST]:
                del self._moves[old.name]
            name = name or uuid.uuid4().hex
            if name not in self._moves:
                self._moves[name] = Move(name, self._cloud, by, settle_within, self._turn)
            return self._moves[name]

    def find(self, name: str) -> Move:
        """The move of that name; raises `KeyError` if it isn't known (any more)."""
        with self._lock:
            return self._moves[name]
