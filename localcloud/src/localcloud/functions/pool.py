"""The environments of one version of a function: started when there is work, reused while they are warm."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from localcloud.functions.environment import Environment, EnvironmentGoneError
from localcloud.functions.types import Function, Invocation, Outcome

# AWS starts an environment for each waiting request at once. Here they share a few cores, and a start costs one of
# them a second or more: who waits takes the next one that is free, and starts another only after waiting as long as a
# start takes. Two at a time come up sooner than twenty together.
_STARTING = max(2, os.cpu_count() or 2)


class Pool:
    """Hands each invocation to a free environment.

    Parameters
    ----------
    function : Function
        Configuration that all its environments have.
    start : callable
        Makes an environment that reports its changes to the callable it is given.
    """

    def __init__(
        self, function: Function, start: Callable[[Function, Callable[[Environment], None]], Environment]
    ) -> None:
        self.function = function
        self.limit = function.reserved_concurrency
        """How many environments there may be; None for as many as are needed."""
        self._start = start
        self._changed = threading.Condition()
        self._free: list[Environment] = []
        self._all: set[Environment] = set()
        self._starting: set[Environment] = set()
        self._launching = 0
        self._waiting = 0
        self._start_takes: float | None = None
        """Seconds of the last start; None until there was one."""
        self._retired = False

    def run(self, invocation: Invocation) -> Outcome:
        """The outcome of ``invocation``; blocks until the function has answered.

        Raises
        ------
        PoolRetiredError
            The function was changed or deleted; look it up again.
        """
        while True:
            environment = self._take()
            try:
                return environment.run(invocation)
            except EnvironmentGoneError:
                continue

    def environments(self) -> tuple[Environment, ...]:
        """All that are alive."""
        with self._changed:
            return tuple(self._all)

    def reap(self, older_than: float) -> None:
        """End what has waited for more than ``older_than`` seconds."""
        now = time.monotonic()
        with self._changed:
            stale = [each for each in self._free if now - each.idle_since > older_than]
            self._free = [each for each in self._free if each not in stale]
        for each in stale:
            each.close()

    def retire(self) -> None:
        """Take no more work; what is being worked on is finished."""
        with self._changed:
            self._retired = True
            free, self._free = self._free, []
            starting = tuple(self._starting)
            self._changed.notify_all()
        for each in (*free, *starting):
            each.close()

    def close(self) -> None:
        """End all environments, whatever they do."""
        self.retire()
        for each in self.environments():
            each.close()

    def _take(self) -> Environment:
        began = time.monotonic()
        with self._changed:
            self._waiting += 1
        try:
            while True:
                self._start_as_needed(began)
                with self._changed:
                    if not (self._free or self._retired or self._wants_more(began)):
                        self._changed.wait(self._patience(began))
                    if self._retired:
                        raise PoolRetiredError
                    if self._free:
                        environment = self._free.pop()
                        environment.claim()
                        return environment
        finally:
            with self._changed:
                self._waiting -= 1

    def _wants_more(self, began: float) -> bool:
        """Whether a request that has waited since ``began`` is worth another environment."""
        if self._free or (self.limit is not None and len(self._all) + self._launching >= max(self.limit, 1)):
            return False
        if not self._all and not self._launching:
            return True
        is_long = self._start_takes is not None and time.monotonic() >= began + self._start_takes
        return is_long and len(self._starting) + self._launching < min(self._waiting, _STARTING)

    def _patience(self, began: float) -> float | None:
        """Seconds that a request goes on waiting for those that are there; None: until one of them changes."""
        left = None if self._start_takes is None else began + self._start_takes - time.monotonic()
        return left if left is not None and left > 0 else None

    def _start_as_needed(self, began: float) -> None:
        with self._changed:
            if self._retired or not self._wants_more(began):
                return
            self._launching += 1
        try:
            environment = self._start(self.function, self._on_change)
        except BaseException:
            with self._changed:
                self._launching -= 1
                self._changed.notify_all()
            raise
        with self._changed:
            self._launching -= 1
            self._all.add(environment)
            self._starting.add(environment)
        # It may have changed before it was known here.
        self._on_change(environment)

    def _on_change(self, environment: Environment) -> None:
        with self._changed:
            if environment not in self._all:
                return
            # A failed start is the answer of whoever waits for it, and of nobody who comes later.
            usable = environment.idle or (environment.failed and environment.closed and self._waiting > 0)
            if environment in self._starting and environment.idle:
                self._start_takes = time.monotonic() - environment.started
            if usable or environment.closed:
                self._starting.discard(environment)
            if environment.closed:
                self._all.discard(environment)
                if environment in self._free:
                    self._free.remove(environment)
            if usable and environment not in self._free and not self._retired:
                self._free.append(environment)
            retired = self._retired
            self._changed.notify_all()
        if retired and not environment.closed:
            environment.close()


class PoolRetiredError(Exception):
    """The pool takes no more work."""
