"""Training runs as the work of a schedule: started once for each tick, looked at, stopped."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from headwater.lake.refusal import one_line
from headwater.registry.starting import LONGEST_PERSON, StartedBy
from headwater.schedules.targets import Seen, seen_of
from headwater.schedules.types import Work
from headwater.storage.clients import Clients
from headwater.storage.executions import Executions
from headwater.training.stopping import STOP_FILE, STOPPED, Stop
from headwater.training.store import RunFiles


class ScheduledTraining:
    """Starts trainings for ticks: executions of the training machine.

    Parameters
    ----------
    training_arn : str
        The machine's.
    artifacts_bucket : str
        Keeps who stopped a run.
    clients : Clients
    """

    def __init__(self, training_arn: str, artifacts_bucket: str, clients: Clients) -> None:
        self._clients = clients
        self._machine, self._artifacts_bucket = Executions(training_arn, clients), artifacts_bucket

    def start(self, work: Work, run: str, given: Mapping[str, Any]) -> None:
        """Start the run; Step Functions takes an execution's name once."""
        started_by = StartedBy(how="schedule", person=str(given.get("by") or "")[:LONGEST_PERSON])
        self._machine.start(
            run,
            {
                "model": work.name,
                "reason": "schedule",
                "started_by": started_by.model_dump(mode="json", exclude_defaults=True),
                "tick": dict(given),
            },
        )

    def look(self, work: Work, run: str) -> Seen | None:  # noqa: ARG002 -- of the protocol
        """How the run stands."""
        return seen_of(self._machine.describe(run), one_line)

    def stop(self, work: Work, run: str, why: str, at: datetime) -> None:
        """Stop the run: nothing of it is registered afterwards."""
        if (seen := self.look(work, run)) is None or seen.status != "RUNNING":
            return
        stop = Stop(by="its schedule", why=why, at=at)
        # First the marker that registration checks: a running function isn't stopped with its execution. The container
        # is, by Step Functions, which started it.
        RunFiles(self._artifacts_bucket, work.name, run, self._clients).put_first(STOP_FILE, stop)
        self._machine.stop(run, error=STOPPED, cause=str(stop))
