"""The Step Functions emulator: executions run, are counted, logged and announced."""

from __future__ import annotations

import json
import os
import threading
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, cast

from moto.core.config import default_user_config
from moto.stepfunctions.models import StateMachine
from moto.stepfunctions.parser import models as parser_models
from moto.stepfunctions.parser.api import ExecutionStatus, HistoryEventType
from moto.stepfunctions.parser.asl.eval.evaluation_details import ExecutionDetails
from moto.stepfunctions.parser.asl.eval.event.logging import (
    CloudWatchLoggingConfiguration,
    CloudWatchLoggingSession,
    HistoryLog,
)
from moto.stepfunctions.parser.backend import execution_worker
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication, Execution
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends

from localcloud.containers.logs import LogStream
from localcloud.context import CloudContext
from localcloud.moto_patches.patches import Patches
from localcloud.rest import Going
from localcloud.workflows import api, maps, query, tasks
from localcloud.workflows.waits import Waits

_METRICS = {
    "SUCCEEDED": "ExecutionsSucceeded",
    "FAILED": "ExecutionsFailed",
    "TIMED_OUT": "ExecutionsTimedOut",
    "ABORTED": "ExecutionsAborted",
}


class Workflows:
    """The emulator that runs state machines."""

    def __init__(self, cloud: CloudContext) -> None:
        self._cloud = cloud
        self._patches = Patches()
        self._running: dict[str, Any] = {}
        self._waits = Waits()
        self._lock = threading.Lock()
        cloud.dispatcher.add(api.StatesApi(cloud))

    def open(self) -> None:
        """Let moto run executions, with JSONata, roles, logs, metrics and events."""
        os.environ["MOTO_PORT"] = str(self._cloud.port)
        self._patches.item(cast(dict[str, Any], default_user_config["stepfunctions"]), "execute_state_machine", True)
        api.install(self._patches)
        query.install(self._patches)
        tasks.install(self._cloud, self._patches)
        maps.install(self._cloud, self._patches)
        self._waits.install(self._patches)
        self._patches.set(StateMachine, "_handle_name_input_idempotency", _same_execution(StateMachine))
        self._patches.set(StepFunctionsParserBackend, "start_execution", _named(StepFunctionsParserBackend))
        emulator = self

        class Watched(Execution):
            """An execution that writes its history to its machine's log group and says when it starts."""

            def __init__(self, **arguments: Any) -> None:
                arguments["cloud_watch_logging_session"] = _log_session(emulator._cloud, arguments)
                super().__init__(**arguments)
                self.over = threading.Event()

            def get_start_execution_details(self) -> ExecutionDetails:
                # The context object holds text; moto's datetime fails when an output carries it.
                start = f"{self.start_date:%Y-%m-%dT%H:%M:%S}.{self.start_date.microsecond // 1000:03}Z"
                return ExecutionDetails(self.exec_arn, self.name, self.role_arn, self.input_data, start)

            def start(self) -> None:
                # Before it starts: a short one is over before the call that starts it returns.
                with emulator._lock:
                    emulator._running[self.exec_arn] = self
                super().start()
                emulator._later(self, "ExecutionsStarted", "RUNNING")

        self._patches.set(parser_models, "Execution", Watched)
        self._watched = Watched
        self._patches.set(execution_worker, "ExecutionData", lambda **data: data | {"RedriveCount": 0})
        terminated = BaseExecutionWorkerCommunication.terminated

        def ended(communication: Any) -> None:
            terminated(communication)
            self._ended(communication.execution)

        self._patches.set(BaseExecutionWorkerCommunication, "terminated", ended)

    def reopen(self) -> None:
        """Start again, from the first state, what ran when the last cloud ended: a task of it may run twice."""
        backend = stepfunctions_parser_backends[self._cloud.account_id][self._cloud.region]
        for machine in backend.state_machines:
            for execution in machine.executions:
                if isinstance(execution, Execution) and execution.exec_status == ExecutionStatus.RUNNING:
                    execution.__class__ = self._watched
                    given = {"state_machine": execution.state_machine, "exec_arn": execution.exec_arn}
                    execution._cloud_watch_logging_session = _log_session(self._cloud, given)
                    execution._activity_store = backend.activities
                    execution.exec_worker = None
                    execution.start()

    def close(self) -> None:
        """Stop what still runs."""
        with self._lock:
            running = list(self._running.values())
        for execution in running:
            with suppress(Exception):  # it may have ended meanwhile
                execution.stop(stop_date=datetime.now(UTC), error=None, cause="the local cloud closes")
        self._patches.close()

    def going_on(self) -> list[Going]:
        """Executions that aren't over."""
        with self._lock:
            # One that was stopped while it waits for a callback has a thread that goes on waiting.
            running = [it for it in self._running.values() if it.exec_status != ExecutionStatus.ABORTED]
        return [
            Going(f"execution of {it.state_machine.name}", it.exec_arn, self._waits.until(it.exec_arn))
            for it in running
        ]

    def _ended(self, execution: Any) -> None:
        status = str(getattr(execution.exec_status, "value", execution.exec_status))
        self._later(execution, _METRICS[status], status)
        with self._lock:
            self._running.pop(execution.exec_arn, None)
        execution.over.set()

    def _later(self, execution: Any, metric: str, status: str) -> None:
        """Count and announce outside of moto's lock, which the caller may hold."""
        if not self._cloud.stopped.is_set():
            self._cloud.aside(self._tell, execution, metric, status)

    def _tell(self, execution: Any, metric: str, status: str) -> None:
        if status != "RUNNING" and execution._cloud_watch_logging_session:
            execution._cloud_watch_logging_session.close()
        machine = {"StateMachineArn": execution.state_machine.arn}
        self._cloud.put_metric("AWS/States", metric, [1], machine)
        if execution.stop_date and status != "RUNNING":
            milliseconds = (execution.stop_date - execution.start_date).total_seconds() * 1000
            self._cloud.put_metric("AWS/States", "ExecutionTime", [milliseconds], machine, unit="Milliseconds")
        detail = {
            "executionArn": execution.exec_arn,
            "stateMachineArn": execution.state_machine.arn,
            "name": execution.name,
            "status": status,
            "startDate": int(execution.start_date.timestamp() * 1000),
            "stopDate": int(execution.stop_date.timestamp() * 1000) if status != "RUNNING" else None,
            "input": _compact(execution.input_data),
            "inputDetails": {"included": True},
            "output": _compact(execution.output) if status == "SUCCEEDED" else None,
            "outputDetails": {"included": True} if status == "SUCCEEDED" else None,
            "error": execution.error if status != "RUNNING" else None,
            "cause": execution.cause if status != "RUNNING" else None,
        }
        self._cloud.tell("aws.states", "Step Functions Execution Status Change", execution.exec_arn, detail)


class _LogSession(CloudWatchLoggingSession):
    """Writes an execution's history as Step Functions' vended logs have it."""

    def __init__(
        self, cloud: CloudContext, execution_arn: str, configuration: CloudWatchLoggingConfiguration, name: str
    ) -> None:
        super().__init__(execution_arn, configuration)
        self._cloud = cloud
        stream = f"states/{name}/{datetime.now(UTC):%Y-%m-%d-%H-%M}/{uuid.uuid4().hex[:8]}"
        self._log = LogStream(cloud, configuration.log_group_name, stream, make_group=False)

    def publish_history_log(self, history_log: HistoryLog) -> None:
        """Write one event."""
        line = {
            "id": str(history_log["id"]),
            "type": HistoryEventType(history_log["type"]).value,
            "details": history_log.get("details") or {},
            "previous_event_id": str(history_log["previous_event_id"]),
            "event_timestamp": str(int(datetime.fromisoformat(str(history_log["event_timestamp"])).timestamp() * 1000)),
            "execution_arn": self.execution_arn,
            "redrive_count": "0",
        }
        self._log.line(json.dumps(line, default=str))

    def close(self) -> None:
        """Write what is left."""
        self._log.close()


def _log_session(cloud: CloudContext, arguments: dict[str, Any]) -> _LogSession | None:
    machine = arguments["state_machine"]
    given = {"includeExecutionData": False} | (machine.loggingConfiguration or {})
    configuration = CloudWatchLoggingConfiguration.from_logging_configuration(machine.arn, cast(Any, given))
    return _LogSession(cloud, arguments["exec_arn"], configuration, machine.name) if configuration else None


def _same_execution(machine: Any) -> Any:
    """StartExecution's idempotency, in which no input is the same as an empty one."""
    original = machine._handle_name_input_idempotency

    def find(self: Any, name: str, execution_input: str | None) -> Any:
        return original(self, name, "{}" if execution_input is None else execution_input)

    return find


def _named(backend: Any) -> Any:
    """StartExecution without a name gets one from Step Functions; moto calls it None."""
    original = backend.start_execution

    def start(self: Any, state_machine_arn: str, name: str | None = None, *others: Any, **named: Any) -> Any:
        return original(self, state_machine_arn, name or str(uuid.uuid4()), *others, **named)

    return start


def _compact(value: Any, **_: Any) -> str:
    return json.dumps(value, separators=(",", ":"), default=str, ensure_ascii=False)
