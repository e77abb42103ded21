"""Services over one table whose entries carry the time."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from headwater.storage.table import Table


class StampedTable:
    """Writes entries that are stamped with the time, and tries a contended write again.

    Parameters
    ----------
    store : Table
        The registry table.
    now : callable
        The time, UTC.
    pause : callable
        Called with seconds before a contended write is tried again.
    """

    def __init__(
        self,
        store: Table,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store, self._now, self._pause = store, now, pause
