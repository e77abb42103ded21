"""Brings what a process prints into CloudWatch Logs while it runs, without slowing the process down."""

from __future__ import annotations

import threading

from localcloud.context import CloudContext


class LogStream:
    """Collects lines; a thread writes them in batches. `close` returns when all of them are written.

    Parameters
    ----------
    cloud : CloudContext
    group, stream : str
        Where to.
    make_group : bool
        Whether a group that isn't there is made; lines are dropped otherwise.
    """

    def __init__(self, cloud: CloudContext, group: str, stream: str, *, make_group: bool = True) -> None:
        self._cloud, self._group, self._stream, self._make_group = cloud, group, stream, make_group
        self._lines: list[str] = []
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._write, name=f"log {stream}", daemon=True)
        self._thread.start()

    def line(self, text: str) -> None:
        """Append one line."""
        with self._changed:
            self._lines.append(text)
            self._changed.notify()

    def close(self) -> None:
        """Write what is left."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _write(self) -> None:
        while True:
            with self._changed:
                while not self._lines and not self._closed:
                    self._changed.wait()
                lines, self._lines = self._lines, []
            if not lines:
                return
            if not self._cloud.stopped.is_set():
                self._cloud.write_log(self._group, self._stream, lines, make_group=self._make_group)
