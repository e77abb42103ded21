"""Task states: who they call as, and how what they call fails."""

from __future__ import annotations

import json
import sys
import threading
import uuid
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

import boto3
import botocore.session
from botocore import xform_name
from botocore.config import Config
from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import state_task_service_aws_sdk
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_callback as callback,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import StateTaskService
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_ecs import (
    StateTaskServiceEcs,
)
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails

from localcloud.context import CloudContext
from localcloud.moto_patches.patches import Patches
from localcloud.workflows import spark

_POLL_SECONDS = 0.1
_CLIENT_SECONDS = 960  # a function may run for fifteen minutes


class _Clients:
    """Clients that call as a state machine's role, kept because making one takes longer than most calls."""

    def __init__(self, cloud: CloudContext) -> None:
        self._cloud = cloud
        self._known: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def client(self, region: str, service: str, state_credentials: Any = None) -> Any:
        role = state_credentials.role_arn if state_credentials else ""
        with self._lock:
            if (role, service) not in self._known:
                credentials = self._cloud.credentials_for(role) if role else self._cloud.environment()
                client = boto3.client(  # type: ignore[call-overload]
                    service,
                    region_name=region,
                    endpoint_url=self._cloud.endpoint,
                    aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
                    aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
                    config=Config(
                        parameter_validation=False,
                        retries={"total_max_attempts": 1},
                        read_timeout=_CLIENT_SECONDS,
                        max_pool_connections=64,
                    ),
                )
                # Every answer of AWS has an id, and moto's interpreter counts on it.
                client.meta.events.register("after-call", _with_request_id)
                self._known[role, service] = client
            return self._known[role, service]


def _with_request_id(parsed: dict[str, Any], **_: Any) -> None:
    parsed["ResponseMetadata"].setdefault("RequestId", str(uuid.uuid4()))


def install(cloud: CloudContext, patches: Patches) -> None:
    """Mend moto's task states."""
    clients = _Clients(cloud)
    for name, module in list(sys.modules.items()):
        if name.startswith("moto.stepfunctions.") and "boto_client_for" in vars(module):
            patches.set(module, "boto_client_for", clients.client)
    patches.set(callback, "_DELAY_SECONDS_SYNC_CONDITION_CHECK", _POLL_SECONDS)
    patches.set(lambda_eval_utils, "LambdaFunctionErrorException", _LambdaError)
    _mend_sync(patches)
    _mend_ecs(patches, clients)
    spark.install(patches, clients.client, _timestamps)
    patches.set(StateTaskService, "_normalise_parameters", _to_boto)
    patches.set(StateTaskService, "_normalise_response", _from_boto)
    patches.item(state_task_service_aws_sdk._SERVICE_ERROR_NAMES, "s3", "S3")


@cache
def _operation(service: str, action: str) -> Any:
    model = botocore.session.get_session().get_service_model(service)
    return next(model.operation_model(name) for name in model.operation_names if xform_name(name) == action)


def _to_boto(
    state: Any, parameters: Any, boto_service_name: str | None = None, service_action_name: str | None = None
) -> None:
    """Bring the names of arguments (``LaunchType``) into boto's case (``launchType``); moto leaves this empty."""
    operation = _operation(
        state._get_boto_service_name(boto_service_name), state._get_boto_service_action(service_action_name)
    )
    if operation.input_shape is not None:
        state._to_boto_request(parameters, operation.input_shape)


def _from_boto(
    state: Any, response: Any, boto_service_name: str | None = None, service_action_name: str | None = None
) -> None:
    """The way back: answers have every name in Step Functions' case."""
    operation = _operation(
        state._get_boto_service_name(boto_service_name), state._get_boto_service_action(service_action_name)
    )
    if response and operation.output_shape is not None:
        state._from_boto_response(response, operation.output_shape)


class _LambdaError(lambda_eval_utils.LambdaFunctionErrorException):
    """A function's error; without an error type of its own AWS calls it Lambda.Unknown."""

    def __init__(self, function_error: str | None, payload: str) -> None:
        try:
            value = json.loads(payload)
        except ValueError:
            value = payload
        if not isinstance(value, dict):
            value = {"errorMessage": value}
        if "errorType" not in value:
            payload = json.dumps(value | {"errorType": "Lambda.Unknown"}, separators=(",", ":"))
        super().__init__(function_error, payload)


def _mend_sync(patches: Patches) -> None:
    """A `.sync` state that is tried again waits again: nobody answers it by a token, but moto waits for one beside the
    job, and takes the end of the first try's waiting for a timeout of the second."""
    waits: Any = callback.StateTaskServiceCallback._eval_sync

    def wait(self: Any, **given: Any) -> Any:
        return waits(self, **(given | {"callback_endpoint": None}))

    patches.set(callback.StateTaskServiceCallback, "_eval_sync", wait)


def _mend_ecs(patches: Patches, clients: _Clients) -> None:
    """`ecs:runTask.sync` fails with its containers, and takes its task down when it is abandoned."""
    build: Any = StateTaskServiceEcs._build_sync_resolver
    wait: Any = StateTaskServiceEcs._eval_sync

    def build_resolver(
        self: Any, env: Any, resource_runtime_part: Any, normalised_parameters: Any, state_credentials: Any
    ) -> Callable[[], Any]:
        task = env.stack[-1]["Tasks"][0]
        resolve = build(self, env, resource_runtime_part, normalised_parameters, state_credentials)

        def resolver() -> Any:
            if (ended := resolve()) is None:
                return None
            ended = _timestamps(ended)
            if any(container.get("ExitCode") != 0 for container in ended["Containers"]):
                raise FailureEventException(_task_failed(self, env, ended))
            return ended

        def stop() -> None:
            client = clients.client(resource_runtime_part.region, "ecs", state_credentials)
            client.stop_task(cluster=task["ClusterArn"], task=task["TaskArn"], reason="The execution was stopped")

        resolver.stop = stop  # type: ignore[attr-defined]
        return resolver

    def wait_for(self: Any, env: Any, sync_resolver: Any, **others: Any) -> Any:
        outcome = wait(self, env=env, sync_resolver=sync_resolver, **others)
        if not isinstance(outcome, dict):  # a timeout, or the execution was stopped
            sync_resolver.stop()
        return outcome

    patches.set(StateTaskServiceEcs, "_build_sync_resolver", build_resolver)
    patches.set(StateTaskServiceEcs, "_eval_sync", wait_for)


def _task_failed(state: Any, env: Any, task: dict[str, Any]) -> FailureEvent:
    error = StatesErrorName(typ=StatesErrorNameType.StatesTaskFailed)
    return FailureEvent(
        env=env,
        error_name=error,
        event_type=HistoryEventType.TaskFailed,
        event_details=EventDetails(  # type: ignore[typeddict-item]
            taskFailedEventDetails=TaskFailedEventDetails(
                error=error.error_name,
                cause=json.dumps(task, separators=(",", ":")),
                resource=state._get_sfn_resource(),
                resourceType=state._get_sfn_resource_type(),
            )
        ),
    )


def _timestamps(value: Any) -> Any:
    """Times as Step Functions shows them: milliseconds since 1970."""
    if isinstance(value, dict):
        return {key: _timestamps(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_timestamps(one) for one in value]
    return int(value.timestamp() * 1000) if isinstance(value, datetime) else value
