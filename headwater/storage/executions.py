"""Runs of a state machine of Step Functions: started once by name, looked at, stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from headwater.storage.clients import Clients, error_code

_MISSING = frozenset({"ExecutionDoesNotExist", "InvalidArn", "ValidationException"})


class Executions:
    """Runs of one state machine.

    Parameters
    ----------
    arn : str
        The state machine's.
    clients : Clients
    """

    def __init__(self, arn: str, clients: Clients) -> None:
        self.arn, self._clients = arn, clients

    @property
    def _stepfunctions(self) -> Any:
        return self._clients("stepfunctions")

    def start(self, name: str, given: object) -> bool:
        """Start a run called ``name``; False if there is, or was, one of that name.

        A repeated start, also one after a lost answer, is the same run: Step Functions takes a name once in ninety
        days.
        """
        try:
            self._stepfunctions.start_execution(stateMachineArn=self.arn, name=name, input=json.dumps(given))
        except ClientError as error:
            if error_code(error) == "ExecutionAlreadyExists":
                return False
            raise
        return True

    def describe(self, name: str) -> dict[str, Any] | None:
        """The run called ``name`` as Step Functions describes it; None if there is no such run."""
        try:
            found: dict[str, Any] = self._stepfunctions.describe_execution(executionArn=self._arn(name))
        except ClientError as error:
            if error_code(error) in _MISSING:
                return None
            raise
        return found

    def standing(self, name: str) -> tuple[str, str] | None:
        """Status of the run called ``name``, such as ``FAILED``, and why it failed; None if there is no such run."""
        found = self.describe(name)
        return (found["status"], found.get("cause") or "") if found else None

    def running(self, prefix: str) -> str | None:
        """A run in progress whose name begins with ``prefix``; a run that began a moment ago may not be listed yet."""
        return next((name for name in self.names(status="RUNNING") if name.startswith(prefix)), None)

    def names(self, status: str | None = None) -> Iterator[str]:
        """Names of all runs, or of those with a status such as ``RUNNING``, the newest first."""
        wanted = {"statusFilter": status} if status else {}
        pages = self._stepfunctions.get_paginator("list_executions").paginate(stateMachineArn=self.arn, **wanted)
        yield from (entry["name"] for page in pages for entry in page["executions"])

    def events(self, name: str, *, newest_first: bool = False) -> Iterator[dict[str, Any]]:
        """Events of a run's history without their data, page by page."""
        pages = self._stepfunctions.get_paginator("get_execution_history").paginate(
            executionArn=self._arn(name), reverseOrder=newest_first, includeExecutionData=False,
            PaginationConfig={"PageSize": 50} if newest_first else {},
        )  # fmt: skip
        yield from (event for page in pages for event in page["events"])

    def stop(self, name: str, *, error: str, cause: str) -> None:
        """Stop a run, which then counts as aborted."""
        self._stepfunctions.stop_execution(executionArn=self._arn(name), error=error, cause=cause)

    def definition(self) -> str:
        """The state machine's definition in Amazon States Language, as JSON."""
        return str(self._stepfunctions.describe_state_machine(stateMachineArn=self.arn)["definition"])

    def items(self, name: str) -> tuple[int, int] | None:
        """Finished items and all items of a run's distributed map; None before the map has started."""
        runs = self._stepfunctions.list_map_runs(executionArn=self._arn(name))["mapRuns"]
        if not runs:
            return None
        counts = self._stepfunctions.describe_map_run(mapRunArn=runs[0]["mapRunArn"])["itemCounts"]
        return counts["succeeded"], counts["total"]

    def _arn(self, name: str) -> str:
        return f"{self.arn.replace(':stateMachine:', ':execution:', 1)}:{name}"
