"""Moving a running cloud's clock from outside: begun by one call, followed by others, halted by Ctrl-C."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

SETTLE_WITHIN = 120.0
"""Seconds that a stop of the clock may wait for what was started, by default."""


@dataclass(frozen=True)
class Advanced:
    """How far a move of the clock is, or how it ended."""

    move: str
    now: str
    """The cloud's time (ISO 8601, UTC)."""
    over: bool
    halted: bool
    failed: str
    waits_for: list[dict[str, Any]]
    """What the clock waits for at this stop: ``what`` and ``count``."""
    passed: list[dict[str, Any]]
    """What it didn't wait for, once it is over (`localcloud.settling.Settling.passed`)."""


def follow(
    ask: Callable[[dict[str, Any]], dict[str, Any]],
    by: timedelta,
    settle_within: float | None,
    on_wait: Callable[[Advanced], None],
) -> Advanced:
    """Move the clock as `localcloud.daemon.Running.advance` does; ``ask`` sends one call and returns its answer."""
    name = uuid.uuid4().hex  # ours, so that a move whose first answer never came can be halted
    asked = {"begin": name, "seconds": by.total_seconds(), "settle_within": settle_within}
    try:
        while not (move := Advanced(**ask(asked))).over:
            on_wait(move)
            asked = {"move": name}
    except BaseException:
        with contextlib.suppress(OSError):  # it wasn't begun, or the cloud is gone
            while not Advanced(**ask({"move": name, "halt": True})).over:
                pass
        raise
    if move.failed:
        raise OSError(move.failed)
    return move
