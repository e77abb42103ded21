"""Executions of state machines as records: what is told of them, and the history of those that are over.

What an execution does lives in threads. One that ran when the cloud ended starts again from its first state, with its
ARN and input: a task of it may run twice, as everything that is delivered at least once.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from moto.stepfunctions.parser.api import ExecutionStatus
from moto.stepfunctions.parser.backend.execution import Execution

_LIVE = ("exec_worker", "_cloud_watch_logging_session", "_activity_store", "_kept")


def is_over(execution: Execution) -> bool:
    """Whether nothing of it will change any more."""
    return execution.exec_status not in (None, ExecutionStatus.RUNNING)


def to_record(execution: Execution) -> dict[str, Any]:
    """What is kept of an execution."""
    state = {name: value for name, value in vars(execution).items() if name not in _LIVE}
    history: list[Any] = []
    if is_over(execution) and execution.exec_worker is not None:
        history = list(execution.to_history_output()["events"])
    return {"state": state, "history": history}


def from_record(record: Mapping[str, Any]) -> Execution:
    """The execution of a record; it doesn't run."""
    execution = Execution.__new__(Execution)
    vars(execution).update(record["state"])
    execution._cloud_watch_logging_session = None
    execution._activity_store = {}
    history = record["history"]
    past = SimpleNamespace(event_manager=SimpleNamespace(get_event_history=lambda: list(history)))
    worker: Any = SimpleNamespace(env=past, stop=lambda **_: None)
    execution.exec_worker = worker
    return execution
