"""Hands a run that is too large for one process over to the machine that materialises shard by shard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headwater.features.errors import MaterialisationStuck
from headwater.features.online.progress import Run
from headwater.storage.executions import Executions

ATTEMPTS = 20
"""Execution names that are tried before the hand-over is given up."""
_LONGEST_VIEW = 24
"""Characters of a view's name in an execution's name, which may have 80."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """When a run is handed over, and to whom."""

    executions: Executions
    """Executions of the materialisation machine."""
    above: int
    """Entities that one process writes; a run with more is handed over before anything is written."""
    unfinished: bool = False
    """Whether a run is handed over when time runs out, because no caller is waiting to call again."""
    at_once: bool = False
    """Whether every run is handed over, however small."""

    def start(self, view: str, version: str, run: Run) -> tuple[str, int]:
        """Start an execution for a run unless one is running. Returns the execution's name and the attempt's number.

        A failed execution is followed by another one, which finds the items that the first one wrote.

        Raises
        ------
        MaterialisationStuck
            Executions of all names that were tried have ended.
        """
        first = max(run.attempts, 1)
        for attempt in range(first, first + ATTEMPTS):
            name = execution_name(view, version, run, attempt)
            # Asked twice while it runs, the same name and input are the same execution.
            if self.executions.start(name, assignment(view, version, run)):
                return name, attempt
        raise MaterialisationStuck(
            f"feature view {view!r}: executions {first} to {attempt} of {execution_name(view, version, run, first)} "
            "have all ended",
            next_steps=["look at the machine's executions in Step Functions"],
        )

    def running(self, view: str, version: str, run: Run) -> str:
        """The name of the execution that works on a run; empty if the execution ended."""
        name = execution_name(view, version, run, run.attempts)
        status, _ = self.executions.standing(name) or ("", "")
        return name if status == "RUNNING" else ""


def execution_name(view: str, version: str, run: Run, attempt: int) -> str:
    """The name of an execution: one for each definition, data version, moment and attempt."""
    full = "-full" if run.full else ""
    return f"{view[:_LONGEST_VIEW]}-{version}-{run.data_version[:12]}-{run.moment}{full}-{attempt}"


def assignment(view: str, version: str, run: Run) -> dict[str, Any]:
    """Input of an execution: the run, without anything that changes while the execution runs."""
    identity = {"data_version", "revision", "commits", "moment", "full"}
    return {"view": view, "version": version, "run": run.model_dump(mode="json", include=identity)}
