"""One verification at a time: an item of the registry table says who is at it, with a sign of life."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from headwater.client.people import me
from headwater.client.verification.types import VerificationRunning
from headwater.storage.table import Table, WriteRefused

PK, SK = "VERIFICATION#", "CURRENT"
BEAT = 20.0
"""Seconds between two signs of life."""
SILENCE = timedelta(minutes=3)
"""A verification that was silent for so long was killed."""


@dataclass(frozen=True)
class Leftover:
    """An earlier verification whose data are still in the stack."""

    id: str
    why: str
    """``kept`` or ``killed``."""


class VerificationPlace:
    """The place that a verification takes.

    Parameters
    ----------
    store : Table
    run_id : str
        Of the verification that takes it.
    now : callable
        The time, UTC.
    """

    def __init__(self, store: Table, run_id: str, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store, self._id, self._now = store, run_id, now
        self._started = now()

    def take(self) -> Leftover | None:
        """Take the place; the verification that was here before and never cleaned up, if there is one.

        Raises
        ------
        VerificationRunning
            Somebody else is at it.
        """
        found = self._store.get(PK, SK)
        if found is not None and not self._is_over(found):
            raise self._taken(found)
        condition = (
            {"only_if": "attribute_not_exists(pk)"}
            if found is None
            else {"only_if": "#id = :id AND #beat = :beat", "id": found["id"], "beat": found["beat"]}
        )
        try:
            self._store.transact([self._store.put(self._item(), **condition)])
        except WriteRefused:
            # Another was first, or the answer was lost and it is ours.
            there = self._store.get(PK, SK)
            if there is None or there["id"] != self._id:
                raise self._taken(there or found or {}) from None
        if found is None:
            return None
        return Leftover(found["id"], "kept" if found["kept"] else "killed")

    @contextmanager
    def alive(self, every: float = BEAT) -> Iterator[None]:
        """Give signs of life while the block runs."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(every):
                # A sign that is lost is followed by the next.
                with suppress(Exception):
                    self._put(kept=False)

        thread = threading.Thread(target=beat, name="verification", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def release(self) -> None:
        """Leave nothing behind."""
        with suppress(WriteRefused):
            self._store.transact([self._store.delete(PK, SK, only_if="#id = :id", id=self._id)])

    def keep(self) -> None:
        """Say that this verification's data are still there: the next one removes them."""
        self._put(kept=True)

    def abandon(self) -> None:
        """As `keep`, of data that couldn't be removed."""
        with suppress(WriteRefused):
            self._put(kept=True)

    def _put(self, *, kept: bool) -> None:
        self._store.transact([self._store.put(self._item(kept=kept), only_if="#id = :id", id=self._id)])

    def _item(self, *, kept: bool = False) -> dict[str, Any]:
        return {
            "pk": PK,
            "sk": SK,
            "id": self._id,
            "by": me(),
            "host": socket.gethostname(),
            "started": self._started.isoformat(),
            "beat": self._now().isoformat(),
            "kept": int(kept),
        }

    def _is_over(self, item: dict[str, Any]) -> bool:
        return bool(item["kept"]) or self._now() - datetime.fromisoformat(item["beat"]) > SILENCE

    def _taken(self, item: dict[str, Any]) -> VerificationRunning:
        if not item:
            return VerificationRunning("another verification began at the same moment: try again in a minute")
        beat = datetime.fromisoformat(item["beat"])
        return VerificationRunning(
            f"another verification of this stack runs since {item['started'][:19]} UTC, by {item['by'] or 'somebody'} "
            f"on {item['host']}",
            next_steps=[
                "wait until it is over",
                f"if it was killed: its place is free at {beat + SILENCE:%H:%M:%S} UTC unless it shows a sign of life",
            ],
        )
