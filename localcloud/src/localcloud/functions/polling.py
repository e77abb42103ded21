"""A thread that looks for what event sources have for functions."""

from __future__ import annotations

import threading
from typing import Protocol

from localcloud.context import CloudContext
from localcloud.functions.types import Outcome

_LOOK_SECONDS = 0.05


class Invoker(Protocol):
    """What runs functions."""

    def invoke(self, function: str, payload: bytes) -> Outcome:
        """Run and wait."""


class Poller:
    """Looks twenty times a second while it is started."""

    def __init__(self, cloud: CloudContext, functions: Invoker, *, thread: str) -> None:
        self._cloud, self._functions = cloud, functions
        self._stopped = threading.Event()
        self._since: dict[str, float] = {}
        self._refused: set[str] = set()
        self._thread = threading.Thread(target=self._poll, name=thread, daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Stop; what wasn't processed is left to whoever looks next."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Begin the batches that are due."""
        raise NotImplementedError

    def _poll(self) -> None:
        while not self._stopped.wait(_LOOK_SECONDS):
            self.look()
