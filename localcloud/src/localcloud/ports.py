"""Ports of 127.0.0.1."""

from __future__ import annotations

import socket
import time


def is_free(port: int, *, within: float = 0.0) -> bool:
    """Whether the port is free, now or within so many seconds: a killed server's socket outlives it for a moment."""
    deadline = time.monotonic() + within
    while not _binds(port):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.05)
    return True


def _binds(port: int) -> bool:
    # Only binding tells: a connection to a port that is taken, but by nobody who listens, is refused as well.
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
