"""Training runs: executions of the stack's training machine. A run's id is its execution's name."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from headwater.client.connection import Connection, Verbs
from headwater.client.containers import stop_container
from headwater.client.errors import RunEnded, RunFailed, RunNotFound
from headwater.client.machines import Machine, reason_of
from headwater.client.people import me
from headwater.client.waiting import wait_for
from headwater.errors import Refused
from headwater.registry.starting import StartedBy
from headwater.training.stopping import STOP_FILE, STOPPED, Stop
from headwater.training.store import RunFiles, failure_of
from headwater.values import Value

_OVER = frozenset({"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"})
LONGEST_WHY = 500
_STEPS = {
    "Prepare": "pinning the data, building the point-in-time training set",
    "WaitForSpark": "waiting for Spark to compute a feature view",
    "Train": "training in a container: search, fit, evaluation, ONNX",
    "Register": "registering the candidate",
    "Stage": "answering golden requests as staging",
    "Promote": "moving the production alias",
}


class Run(Value):
    """One training run."""

    id: str
    model: str
    reason: str
    started_by: StartedBy | None = None
    """The one who started it, and the place: a command, a script, a notebook, a schedule; None if nobody said."""
    status: str
    """Step Functions' own: RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED."""
    started_at: datetime
    finished_at: datetime | None = None
    version: int | None = None
    """The version that the candidate became."""
    outcome: str | None = None
    """READY or REJECTED."""
    warnings: tuple[str, ...] = ()
    """Signs of a leak: the version isn't promoted by itself."""
    cause: str = ""
    """Why it failed."""

    @property
    def is_finished(self) -> bool:
        """Whether the run has ended, successfully or not."""
        return self.status in _OVER

    @property
    def rejected(self) -> bool:
        """Whether the run succeeded, but its candidate failed a gate."""
        return self.outcome == "REJECTED"

    @property
    def seconds(self) -> float | None:
        """Duration of the run; None while it runs."""
        return None if self.finished_at is None else (self.finished_at - self.started_at).total_seconds()


class Rejected(Refused):
    """The run's candidate failed a gate: it is registered, and never serves."""

    def __init__(self, run: Run, reasons: Sequence[str] = ()) -> None:
        why = f": {'; '.join(reasons)}" if reasons else ""
        super().__init__(
            f"version {run.version} of {run.model} was rejected by its gates{why}. What served before serves on",
            next_steps=[f"headwater models show {run.model} --version {run.version}"],
        )


def train(connection: Connection, model: str, reason: str) -> Run:
    """Start a training run; see `headwater.client.Stack.train`."""
    # Looks for git: only who starts a run pays for that.
    from headwater.client.starting import started_by

    connection.description.require_model(model)
    given = {"model": model, "reason": reason, "started_by": started_by().model_dump(mode="json")}
    run_id = Machine(connection.description.training_arn, connection.clients).begin(model[:48], given)
    return Runs(connection).get(run_id)


class Runs(Verbs):
    """The verbs on training runs; ``headwater.connect().runs``."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._machine = Machine(self._description.training_arn, connection.clients)
        self._artifacts_bucket = self._description.artifacts_bucket

    def get(self, run_id: str) -> Run:
        """The state of a run; raises `RunNotFound`."""
        return self._get(run_id)

    def list(self, model: str | None = None, *, limit: int = 20) -> tuple[Run, ...]:
        """Runs of ``model``, or of all models, the newest first."""
        runs = map(self._get, self._machine.names())
        # Step Functions promises the newest first; moto answers the other way round.
        found = sorted((run for run in runs if model in (None, run.model)), key=_age, reverse=True)
        return tuple(found[:limit])

    def watch(self, run_id: str, *, timeout: float = 3600, on_step: Callable[[str], None] = lambda _: None) -> Run:
        """Wait for a run's end.

        Parameters
        ----------
        run_id : str
            Id of a run from `Stack.train` or `list`.
        timeout : float
            Seconds.
        on_step : callable
            Called with the run's step, in words, whenever it changes.

        Returns
        -------
        Run
            A run that succeeded; look at `Run.rejected`.

        Raises
        ------
        RunNotFound, RunFailed, TookTooLong
            There is no such run, it failed (the message says why), or it isn't over in time.
        """
        last = ""

        def look() -> Run | None:
            nonlocal last
            run = self._get(run_id)
            if run.is_finished:
                return run
            if (step := self._step(run_id)) and step != last:
                on_step(_STEPS.get(step, step))
                last = step
            return None

        run = wait_for(look, what=f"run {run_id}", timeout=timeout)
        if run.status != "SUCCEEDED":
            raise RunFailed(
                f"run {run.id} of {run.model} {run.status.lower().replace('_', ' ')}: {run.cause}",
                next_steps=["headwater local logs"],
            )
        return run

    def stop(self, run_id: str, *, why: str = "", timeout: float = 120) -> Run:
        """Stop a run: its state machine and its container. Nothing of it is registered afterwards.

        Who stopped it and why is kept with the run's files and as the execution's cause.

        Raises
        ------
        RunNotFound
        RunEnded
            It is over already.
        TookTooLong
            It still runs after ``timeout`` seconds; asking again is safe.
        """
        run = self.get(run_id)
        if run.is_finished:
            raise RunEnded(
                f"run {run_id} of {run.model} is over since {run.finished_at:%Y-%m-%d %H:%M:%S} UTC "
                f"({run.status.lower()}): there is nothing to stop"
            )
        stop = Stop(by=me(), why=" ".join(why.split())[:LONGEST_WHY], at=datetime.now(UTC))
        # First the marker that registration checks: a running function isn't stopped with its execution.
        RunFiles(self._artifacts_bucket, run.model, run_id, self._connection.clients).put_first(STOP_FILE, stop)
        self._machine.stop(run_id, error=STOPPED, cause=str(stop))
        stop_container(self._connection.clients, self._description.cluster, run.model, run_id, str(stop))

        def look() -> Run | None:
            seen = self.get(run_id)
            return seen if seen.is_finished else None

        return wait_for(look, what=f"stopping run {run_id}", timeout=timeout)

    def _get(self, run_id: str) -> Run:
        if (told := self._machine.describe(run_id)) is None:
            raise RunNotFound(f"there is no run {run_id!r}", next_steps=["headwater runs list"])
        given, ended = _json(told.get("input")), _json(told.get("output"))
        registered = ended.get("registered") or {}
        model = str(given.get("model", ""))
        return Run(
            id=run_id,
            model=model,
            reason=str(given.get("reason", "")),
            started_by=StartedBy.read(given.get("started_by")),
            status=told["status"],
            started_at=told["startDate"],
            finished_at=told.get("stopDate"),
            version=registered.get("version"),
            outcome=registered.get("status"),
            warnings=tuple(registered.get("warnings") or ()),
            cause=self._cause(told, model, run_id),
        )

    def _cause(self, told: dict[str, Any], model: str, run_id: str) -> str:
        """Why a run failed, in one line."""
        if told["status"] in {"RUNNING", "SUCCEEDED"}:
            return ""
        if told["status"] == "ABORTED" and model:
            # A stop by the console leaves no file, and a local cloud may forget the reason of a stop.
            stop = RunFiles(self._artifacts_bucket, model, run_id, self._connection.clients).get_value(STOP_FILE, Stop)
            return f"{STOPPED}: {stop}" if stop else reason_of(told)
        # Step Functions knows a container's exit code alone.
        exited = "exit" in str(told.get("cause") or "").lower()
        failure = (
            failure_of(self._artifacts_bucket, model, run_id, self._connection.clients) if exited and model else None
        )
        return f"{failure.error}: {failure.message}" if failure else reason_of(told)

    def _step(self, run_id: str) -> str:
        """The state that was entered last."""
        newest = islice(self._machine.events(run_id, newest_first=True), 50)
        # Moto answers in the order in which they happened.
        entered = [event for event in newest if "stateEnteredEventDetails" in event]
        last = max(entered, key=lambda event: event["id"], default=None)
        return str(last["stateEnteredEventDetails"]["name"]) if last else ""


def _age(run: Run) -> datetime:
    return run.started_at


def _json(text: Any) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
