"""Runs of the platform's state machines, as the client and the command show them."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from headwater.lake.refusal import one_line
from headwater.training.errors import RunNotFound
from headwater.training.store import ExecutionStore, RunFiles
from headwater.training.types import FAILURE_FILE, Failure, Run, RunStatus, Stage

NAME_LENGTH = 80
WORDS = re.compile(r"[^A-Za-z0-9_-]+")
_FAILURES = (
    "TaskFailed",
    "TaskTimedOut",
    "TaskSubmitFailed",
    "TaskStartFailed",
    "LambdaFunctionFailed",
    "LambdaFunctionTimedOut",
    "LambdaFunctionScheduleFailed",
    "LambdaFunctionStartFailed",
)
_ENDINGS = {
    "ExecutionFailed": RunStatus.FAILED,
    "ExecutionTimedOut": RunStatus.TIMED_OUT,
    "ExecutionAborted": RunStatus.ABORTED,
}


class Pipeline:
    """The executions of one state machine: training, or ingestion.

    Parameters
    ----------
    arn : str
        The state machine.
    artifacts_bucket : str, optional
        Where a training run's container says why it failed.
    now : callable
        The time, UTC, that new runs are named after.
    pause : callable
        Called with seconds between two looks at a run.
    """

    def __init__(
        self,
        arn: str,
        *,
        artifacts_bucket: str = "",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._executions = ExecutionStore(arn)
        self._artifacts_bucket = artifacts_bucket
        self._now = now
        self._pause = pause

    def start(self, model: str, *, reason: str = "") -> Run:
        """Start a training run of ``model``; its id begins with the model's name and the time."""
        stamp = self._now().strftime("%Y%m%dT%H%M%SZ")
        name = f"{WORDS.sub('-', model)[: NAME_LENGTH - 26]}-{stamp}-{uuid.uuid4().hex[:8]}"
        self._executions.start(name, {"model": model, "reason": reason})
        return self.get(name)

    def get(self, run_id: str) -> Run:
        """A run with its stages; raises `RunNotFound`."""
        told = self._executions.describe(run_id)
        if told is None:
            raise RunNotFound(f"there is no run {run_id!r}", next_steps=["headwater pipeline list"])
        run = _run(told, stages(self._executions.history(run_id), told.get("stopDate")))
        return run if run.status in {RunStatus.RUNNING, RunStatus.SUCCEEDED} else self._explained(run)

    def list(self, *, model: str | None = None, limit: int = 20) -> list[Run]:
        """The newest runs, of ``model`` alone if one is named, without their stages."""
        found = (_run(self._executions.describe(told["name"]) or told, ()) for told in self._executions.list())
        return list(islice((run for run in found if model is None or run.model == model), limit))

    def watch(self, run_id: str, *, every: float = 1.0) -> Iterator[Run]:
        """The run each time that something has changed, until it is finished; first as it is now.

        Parameters
        ----------
        run_id : str
        every : float
            Seconds between two looks.
        """
        seen: Run | None = None
        while True:
            run = self.get(run_id)
            if run != seen:
                yield run
                seen = run
            if run.is_finished:
                return
            self._pause(every)

    def _explained(self, run: Run) -> Run:
        """With what the container itself said, if that was what failed: Step Functions sees its exit code alone."""
        if not (self._artifacts_bucket and run.model and "exited with code" in run.cause):
            return run
        files = RunFiles(self._artifacts_bucket, run.model, run.id)
        failure = files.get_value(FAILURE_FILE, Failure)
        return run.model_copy(update={"error": failure.error, "cause": failure.message}) if failure else run


def stages(events: Iterable[Mapping[str, Any]], stopped: datetime | None) -> tuple[Stage, ...]:
    """The tasks that a history tells of, each with its outcome."""
    found: list[Stage] = []
    failed = False
    for event in events:
        kind, at = str(event["type"]), event["timestamp"]
        if kind == "TaskStateEntered":
            failed = False
            name = event["stateEnteredEventDetails"]["name"]
            found.append(Stage(name=name, status=RunStatus.RUNNING, started_at=at))
        elif kind in {"TaskScheduled", "LambdaFunctionScheduled"}:
            failed = False  # another attempt
        elif kind in _FAILURES:
            failed = True
        elif kind == "TaskStateExited" and found:
            found[-1] = _ended(found[-1], RunStatus.FAILED if failed else RunStatus.SUCCEEDED, at)
        elif kind in _ENDINGS and found and found[-1].status is RunStatus.RUNNING:
            found[-1] = _ended(found[-1], _ENDINGS[kind], at)
    if found and stopped is not None and found[-1].status is RunStatus.RUNNING:
        found[-1] = _ended(found[-1], RunStatus.FAILED, stopped)
    return tuple(found)


def _ended(stage: Stage, status: RunStatus, at: datetime) -> Stage:
    return stage.model_copy(update={"status": status, "finished_at": at})


def _run(told: Mapping[str, Any], done: tuple[Stage, ...]) -> Run:
    arn = str(told["executionArn"])
    region = arn.split(":")[3]
    return Run(
        id=str(told["name"]),
        arn=arn,
        status=RunStatus(told["status"]),
        started_at=told["startDate"],
        finished_at=told.get("stopDate"),
        given=_object(told.get("input")),
        result=_object(told.get("output")),
        stages=done,
        error=str(told.get("error") or ""),
        cause=one_line(told.get("cause")),
        look_at=(
            f"https://{region}.console.aws.amazon.com/states/home?region={region}#/v2/executions/details/{arn}",
            f"headwater pipeline watch {told['name']}",
        ),
    )


def _object(text: Any) -> dict[str, Any]:
    value = json.loads(text) if text else {}
    return value if isinstance(value, dict) else {}
