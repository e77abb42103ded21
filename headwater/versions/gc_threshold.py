"""Python's garbage collector, asked to hold back while a commit makes millions of small objects and no cycles."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SELDOM = 100_000
_lock = threading.Lock()
_users = 0
_before: tuple[int, int, int] = (0, 0, 0)


@contextmanager
def seldom() -> Iterator[None]:
    """Let Python's collector run after 100,000 new objects instead of a few hundred: it takes a seventh of a commit's
    time.

    Most objects that the collector visits belong to imported libraries. The setting holds for the whole process while
    any thread is inside the block.
    """
    global _users, _before
    with _lock:
        _users += 1
        if _users == 1:
            _before = gc.get_threshold()
            if 0 < _before[0] < _SELDOM:  # 0: somebody has turned it off
                gc.set_threshold(_SELDOM, *_before[1:])
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                gc.set_threshold(*_before)
