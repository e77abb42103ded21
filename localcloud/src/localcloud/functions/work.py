"""What an environment works on, for whom it waits, and how the end of its process is worded."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.functions.report import Report
from localcloud.functions.types import Invocation, Outcome, unhandled

_SIGNALS = {6: "aborted", 9: "killed", 11: "segmentation fault", 15: "terminated"}


@dataclass
class Client:
    """The runtime, or an internal extension: who must ask for the next event before the environment is free."""

    name: str
    seen: int = 0
    waiting: bool = False


@dataclass
class Work:
    """An invocation that was handed over, and what became of it.

    The environment may work on the next one before whoever waits for this one's outcome wakes up: nothing of it is
    kept in the environment itself.
    """

    invocation: Invocation
    report: Report
    deadline: float
    outcome: Outcome | None = None
    responded: float = 0.0


def exited(words: str, request_id: str) -> Outcome:
    """The outcome of an invocation whose process ended."""
    return Outcome(**unhandled("Runtime.ExitError", f"RequestId: {request_id} Error: {words}"))


def exit_words(code: int) -> str:
    """How Lambda words the end of a process."""
    if code == 0:
        return "Runtime exited without providing a reason"
    if code > 128:
        return f"Runtime exited with error: signal: {_SIGNALS.get(code - 128, str(code - 128))}"
    return f"Runtime exited with error: exit status {code}"
