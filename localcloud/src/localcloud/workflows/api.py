"""Operations of Step Functions that moto lacks, or answers otherwise than AWS.

They are answered in front of moto and outside of its lock, since what they wait for calls back into the cloud.
After https://docs.aws.amazon.com/step-functions/latest/apireference/API_Operations.html.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from moto.core.exceptions import AWSError
from moto.stepfunctions.parser import api
from moto.stepfunctions.parser.asl.eval.program_state import ProgramStopped
from moto.stepfunctions.parser.asl.static_analyser.express_static_analyser import ExpressStaticAnalyser
from moto.stepfunctions.parser.asl.static_analyser.static_analyser import StaticAnalyser
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends
from moto.stepfunctions.responses import StepFunctionResponse
from werkzeug.wrappers import Response

from localcloud.api_call import ApiCall
from localcloud.context import CloudContext
from localcloud.moto_patches.patches import Patches
from localcloud.refusals import refusal

_INPUT_BYTES = 262_144
_SYNCHRONOUS_SECONDS = 300
_UNTIL_STARTED_SECONDS = 10
_RUNNING = api.ExecutionStatus.RUNNING


class StatesApi:
    """Answers what moto's Step Functions doesn't."""

    def __init__(self, cloud: CloudContext) -> None:
        self._cloud = cloud
        self._operations: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "ListStateMachineVersions": self._list_versions,
            "PublishStateMachineVersion": self._publish,
            "StartSyncExecution": self._start_sync,
            "StopExecution": self._stop,
            "ValidateStateMachineDefinition": self._validate,
        }

    def __call__(self, call: ApiCall) -> Response | None:
        """The answer, or None if the call is moto's."""
        if call.service != "states":
            return None
        request = call.json()
        size = len((request.get("input") or "").encode())
        if call.operation in ("StartExecution", "StartSyncExecution") and size > _INPUT_BYTES:
            return refusal(
                call,
                "ValidationException",
                "1 validation error detected: Value at 'input' failed to satisfy constraint: "
                f"Member must have length less than or equal to {_INPUT_BYTES}",
            )
        operation = self._operations.get(call.operation)
        if operation is None:
            return None
        try:
            body = json.dumps(operation(request), default=_as_json)
        except AWSError as error:
            return refusal(call, str(error.error_type), str(error.message))
        return Response(body, 200, content_type="application/x-amz-json-1.0")

    @contextmanager
    def _backend(self) -> Iterator[StepFunctionsParserBackend]:
        with self._cloud.dispatcher.lock:
            yield stepfunctions_parser_backends[self._cloud.account_id][self._cloud.region]

    def _list_versions(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._backend() as backend:
            machine = backend.describe_state_machine(request["stateMachineArn"])
            versions = sorted(machine.versions.values(), key=lambda version: -version.version)
        start, most = int(request.get("nextToken") or 0), int(request.get("maxResults") or 100)
        listed = [{"stateMachineVersionArn": one.arn, "creationDate": one.creation_date} for one in versions]
        answer: dict[str, Any] = {"stateMachineVersions": listed[start : start + most]}
        return answer | ({"nextToken": str(start + most)} if start + most < len(listed) else {})

    def _publish(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._backend() as backend:
            machine = backend.describe_state_machine(request["stateMachineArn"])
            newest, described = machine.latest_version, request.get("description")
            shown = (machine.definition, machine.roleArn, described)
            if newest is None or (newest.definition, newest.roleArn, newest.description) != shown:
                machine.publish(described)
                newest = machine.versions[machine.latest_version_number]
            return {"stateMachineVersionArn": newest.arn, "creationDate": newest.creation_date}

    def _start_sync(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._backend() as backend:
            machine = backend.describe_state_machine(request["stateMachineArn"])
            if machine.type != "EXPRESS":
                raise api.StateMachineTypeNotSupported("This operation is not supported by this type of state machine")
            name, given = request.get("name") or str(uuid.uuid4()), request.get("input", "{}")
            execution: Any = backend.start_execution(machine.arn, name, given)
            # A synchronous execution can't be looked up later, and its name may come again.
            machine.executions.remove(execution)
        if not execution.over.wait(_SYNCHRONOUS_SECONDS):
            execution.stop(datetime.now(UTC), error="States.Timeout", cause=None)
            execution.exec_status = api.ExecutionStatus.TIMED_OUT
            execution.stop_date = datetime.now(UTC)
        seconds = (execution.stop_date - execution.start_date).total_seconds()
        billed = {"billedMemoryUsedInMB": 64, "billedDurationInMilliseconds": -(-int(seconds * 1000) // 100) * 100}
        account = f"{self._cloud.region}:{self._cloud.account_id}"
        answer = {
            "executionArn": f"arn:aws:states:{account}:express:{machine.name}:{name}:{uuid.uuid4()}",
            "stateMachineArn": machine.arn,
            "name": name,
            "startDate": execution.start_date,
            "stopDate": execution.stop_date,
            "status": _text(execution.exec_status),
            "input": given,
            "inputDetails": {"included": True},
            "billingDetails": billed,
        }
        if answer["status"] == "SUCCEEDED":
            return answer | {"output": _json(execution.output), "outputDetails": {"included": True}}
        said = {"error": execution.error, "cause": execution.cause}
        return answer | {name: value for name, value in said.items() if value is not None}

    def _stop(self, request: dict[str, Any]) -> dict[str, Any]:
        """The execution is ABORTED when this returns, whatever the task in it still does."""
        with self._backend() as backend:
            execution: Any = backend.describe_execution(request["executionArn"])
        for _ in range(_UNTIL_STARTED_SECONDS * 100):
            # Its thread has made its environment, or failed before that.
            if execution.exec_worker.env is not None or execution.over.wait(0.01):
                break
        if execution.exec_status == _RUNNING and (env := execution.exec_worker.env) is not None:
            moment = datetime.now(UTC)
            env.set_stop(stop_date=moment, cause=request.get("cause"), error=request.get("error"))
            if isinstance(env.program_state(), ProgramStopped):
                execution.error, execution.cause = request.get("error"), request.get("cause")
                execution.stop_date, execution.exec_status = moment, api.ExecutionStatus.ABORTED
        return {"stopDate": execution.stop_date or datetime.now(UTC)}

    def _validate(self, request: dict[str, Any]) -> dict[str, Any]:
        is_express = request.get("type") == "EXPRESS"
        problem = _problem(ExpressStaticAnalyser() if is_express else StaticAnalyser(), request["definition"])
        found = [{"severity": "ERROR", "code": "SCHEMA_VALIDATION_FAILED", "message": problem}] if problem else []
        return {"result": "FAIL" if found else "OK", "diagnostics": found, "truncated": False}


def install(patches: Patches) -> None:
    """Give refusals their codes, and executions the output and the end that AWS shows."""
    for kind in vars(api).values():
        if isinstance(kind, type) and issubclass(kind, AWSError) and kind is not AWSError:
            # Moto's parser names the code in a field that its errors don't read, and raises some without a message.
            patches.set(kind, "TYPE", vars(kind).get("code"))
            patches.set(kind, "__init__", _with_message)
    check = StepFunctionsParserBackend._validate_definition

    def validate(definition: str) -> None:
        try:
            check(definition)
        except api.InvalidDefinition as error:
            raise api.InvalidDefinition(f"Invalid State Machine Definition: '{error.message}'") from error

    patches.set(StepFunctionsParserBackend, "_validate_definition", staticmethod(validate))
    _mend_beginnings(patches)
    describe: Any = StepFunctionResponse.describe_execution

    def describe_execution(self: Any) -> Any:
        answer = describe(self)
        execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        if (status := _text(execution.status)) != "RUNNING":
            answer.result["stopDate"] = execution.stop_date
        if status == "SUCCEEDED":
            answer.result["output"] = _json(execution.output)
        return answer

    patches.set(StepFunctionResponse, "describe_execution", describe_execution)
    reflect: Any = BaseExecutionWorkerCommunication._reflect_execution_status

    def keep_abortion(self: Any) -> None:
        if self.execution.exec_status != api.ExecutionStatus.ABORTED:
            reflect(self)

    patches.set(BaseExecutionWorkerCommunication, "_reflect_execution_status", keep_abortion)


def _mend_beginnings(patches: Patches) -> None:
    """An execution that has not quite begun has no map runs and waits for nobody; moto fails on it."""
    executions: Any = StepFunctionsParserBackend._get_executions
    map_runs: Any = StepFunctionsParserBackend.list_map_runs

    def begun(self: Any, status: Any = None) -> list[Any]:
        return [one for one in executions(self, status) if one.exec_worker.env is not None]

    def list_map_runs(self: Any, arn: str) -> dict[str, Any]:
        has_begun = self.describe_execution(arn).exec_worker.env is not None
        return map_runs(self, arn) if has_begun else {"mapRuns": []}

    patches.set(StepFunctionsParserBackend, "_get_executions", begun)
    patches.set(StepFunctionsParserBackend, "list_map_runs", list_map_runs)


def _with_message(error: Any, message: str = "", *_: object) -> None:
    super(AWSError, error).__init__(type(error).TYPE, message)
    error.code = AWSError.STATUS


def _problem(analyser: Any, definition: str) -> str:
    """Why ``definition`` is refused; empty if it isn't."""
    try:
        analyser.analyse(definition)
    except Exception as error:
        return str(error) or repr(error)
    return ""


def _json(value: Any) -> str:
    return to_json_str(value, separators=(",", ":"))


def _text(status: Any) -> str:
    return str(getattr(status, "value", status))


def _as_json(value: Any) -> Any:
    return value.timestamp() if isinstance(value, datetime) else str(value)
