"""Which executions only wait: in a Wait state, or before they try a task again. Both go by the machine's clock."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import StateTaskService
from moto.stepfunctions.parser.asl.component.state.exec.state_task.state_task_activitiy import StateTaskActivity
from moto.stepfunctions.parser.asl.component.state.exec.state_task.state_task_lambda import StateTaskLambda
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction

from localcloud.moto_patches.patches import Patches


class Waits:
    """Counts the tasks and the pauses of each execution: one that has a task at work in some branch doesn't wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: Counter[str] = Counter()
        self._pauses: dict[str, list[float]] = defaultdict(list)
        self._retrying = threading.local()

    def install(self, patches: Patches) -> None:
        """Let moto's states tell."""
        for kind in (StateTaskService, StateTaskActivity, StateTaskLambda):
            patches.wrap(kind, "_eval_execution", self._at_work)
        patches.wrap(WaitFunction, "_wait_interval", self._waiting)
        patches.wrap(retrier_decl.RetrierDecl, "_eval_body", self._retry)
        patches.set(retrier_decl, "time", SimpleNamespace(sleep=self._sleep))

    def until(self, execution: str) -> float | None:
        """When the execution goes on, by `time.monotonic`; None if it is at work."""
        with self._lock:
            pauses = self._pauses.get(execution)
            return min(pauses) if pauses and not self._tasks[execution] else None

    def _at_work(self, run: Any) -> Any:
        def work(state: Any, env: Any) -> None:
            execution = _execution(env)
            with self._lock:
                self._tasks[execution] += 1
            try:
                run(state, env)
            finally:
                with self._lock:
                    self._tasks[execution] -= 1
                    if not self._tasks[execution]:
                        del self._tasks[execution]

        return work

    def _waiting(self, run: Any) -> Any:
        def wait(state: Any, env: Any, wait_seconds: float) -> None:
            with self._pause(_execution(env), wait_seconds):
                run(state, env, wait_seconds)

        return wait

    def _retry(self, run: Any) -> Any:
        def retry(retrier: Any, env: Any) -> None:
            self._retrying.execution = _execution(env)
            run(retrier, env)

        return retry

    def _sleep(self, seconds: float) -> None:
        with self._pause(self._retrying.execution, seconds):
            time.sleep(seconds)

    @contextmanager
    def _pause(self, execution: str, seconds: float) -> Iterator[None]:
        until = time.monotonic() + seconds
        with self._lock:
            self._pauses[execution].append(until)
        try:
            yield
        finally:
            with self._lock:
                self._pauses[execution].remove(until)
                if not self._pauses[execution]:
                    del self._pauses[execution]


def _execution(env: Any) -> str:
    return str(env.states.context_object.context_object_data["Execution"]["Id"])
