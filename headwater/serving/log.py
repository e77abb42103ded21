"""When a prediction is written down: after its response was sent, so that nobody waits for it.

See docs/decisions/0020-prediction-log.md. A handler puts what it answered into a `PredictionLog` and says when its
invocation is over; whatever goes wrong with writing is reported to ``on_failure`` and never reaches the caller.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Protocol

from headwater.serving.extension import Extension
from headwater.serving.types import PredictionRecord

Write = Callable[[PredictionRecord], None]
OnFailure = Callable[[PredictionRecord | None, Exception], None]
"""Told which record couldn't be written and why; no record: the log itself failed."""


class PredictionLog(Protocol):
    """Takes the records of one invocation at a time."""

    def add(self, record: PredictionRecord) -> None:
        """Have ``record`` written."""

    def close(self) -> None:
        """The invocation is over, with or without a record; call it exactly once for each."""


class WriteAtOnce:
    """Writes before the response goes out: for tests, and wherever there is no Lambda to outlive the response."""

    def __init__(self, write: Write, *, on_failure: OnFailure) -> None:
        self._write, self._on_failure = write, on_failure

    def add(self, record: PredictionRecord) -> None:
        """Write ``record`` now."""
        _attempt(self._write, record, self._on_failure)

    def close(self) -> None:
        """Nothing is left to do."""


class WriteAfterResponse:
    """Writes from a thread that Lambda lets finish after the response went out, as an internal extension.

    Parameters
    ----------
    write, on_failure : callable
        Both are called from that thread.
    extension : Extension
        Registered by `start`.
    head_start : float
        Seconds that the runtime gets to post the response. The thread would otherwise compete with it for the
        interpreter, whose switch interval is of the same order.
    """

    def __init__(self, write: Write, *, on_failure: OnFailure, extension: Extension, head_start: float = 0.005) -> None:
        self._write, self._on_failure = write, on_failure
        self._extension, self._head_start = extension, head_start
        self._added: list[PredictionRecord] = []
        self._closed: queue.SimpleQueue[list[PredictionRecord]] = queue.SimpleQueue()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)

    def start(self) -> None:
        """Register the extension, which must happen before the runtime asks for its first event, and start waiting.

        Raises
        ------
        OSError, headwater.serving.extension.ExtensionRefused
            Lambda doesn't take the extension.
        """
        self._extension.register()
        self._thread.start()

    def stop(self) -> None:
        """End the thread. Lambda ends the process instead; for everything else that starts one."""
        self._stopped = True
        self._extension.close()
        self._closed.put([])
        self._thread.join(timeout=5)

    def add(self, record: PredictionRecord) -> None:
        """Have ``record`` written once the invocation is over and answered."""
        self._added.append(record)

    def close(self) -> None:
        """Hand over what was added; Lambda waits for the thread, not the caller."""
        records, self._added = self._added, []
        self._closed.put(records)

    def _run(self) -> None:
        while not self._stopped:
            try:
                self._extension.wait_for_invocation()
            except Exception as error:  # A thread that ends would leave each later invocation hanging to its time-out.
                if not self._stopped:
                    self._on_failure(None, error)
                    time.sleep(0.1)
                continue
            records = self._closed.get()
            # After a failed wait more than one invocation may have been closed by now.
            while not self._closed.empty():
                records += self._closed.get()
            if records:
                time.sleep(self._head_start)
            for record in records:
                _attempt(self._write, record, self._on_failure)


def _attempt(write: Write, record: PredictionRecord, on_failure: OnFailure) -> None:
    try:
        write(record)
    except Exception as error:  # Whatever it was, the prediction itself was right and is answered.
        on_failure(record, error)
