"""``emr-serverless:startJobRun.sync``, which moto doesn't have: it ends as its job run ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

from botocore.exceptions import ClientError
from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.state.exec.state_task import state_task_factory
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import ResourceCondition
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails

from localcloud.moto_patches.patches import Patches

_SERVICE = "emr-serverless"
_OVER = frozenset({"SUCCESS", "FAILED", "CANCELLED"})


class _JobRunTask(StateTaskServiceCallback):
    """A task state that starts a job run."""

    client: Callable[[str, str, Any], Any]
    timestamps: Callable[[Any], Any]

    def __init__(self) -> None:
        # Moto's synchronous tasks count on the other pattern's endpoint being there.
        super().__init__(cast(Any, {ResourceCondition.WaitForTaskToken, ResourceCondition.Sync}))

    def _get_supported_parameters(self) -> set[str] | None:
        return set() if self.resource.api_action == "startJobRun" else None

    def _eval_service_task(
        self, env: Any, resource_runtime_part: Any, normalised_parameters: Any, state_credentials: Any
    ) -> None:
        emr = self.client(resource_runtime_part.region, _SERVICE, state_credentials)
        started = emr.start_job_run(**normalised_parameters)
        started.pop("ResponseMetadata", None)
        env.stack.append(started)

    def _build_sync_resolver(
        self,
        env: Any,
        resource_runtime_part: Any,
        normalised_parameters: Any,  # noqa: ARG002 - moto's signature
        state_credentials: Any,
    ) -> Callable[[], Any]:
        started = env.stack.pop()
        names = {"applicationId": started["ApplicationId"], "jobRunId": started["JobRunId"]}
        emr = self.client(resource_runtime_part.region, _SERVICE, state_credentials)

        def resolve() -> Any:
            run = emr.get_job_run(**names)["jobRun"]
            if run["state"] not in _OVER:
                return None
            self._from_boto_response(run, _shape(emr, "JobRun"))
            ended = self.timestamps(run)
            if ended["State"] != "SUCCESS":
                raise FailureEventException(self._failed(env, ended))
            return ended

        resolve.stop = lambda: emr.cancel_job_run(**names)  # type: ignore[attr-defined]
        return resolve

    def _eval_sync(self, env: Any, sync_resolver: Any, **others: Any) -> Any:  # type: ignore[override]
        outcome = super()._eval_sync(env=env, sync_resolver=sync_resolver, **others)
        if not isinstance(outcome, dict):  # a timeout, or the execution was stopped
            sync_resolver.stop()
        return outcome

    def _from_error(self, env: Any, ex: Exception) -> FailureEvent:
        if not isinstance(ex, ClientError):
            return super()._from_error(env=env, ex=ex)
        name = f"EMRServerless.{ex.response['Error']['Code']}"
        return self._event(env, CustomErrorName(name), name, ex.response["Error"]["Message"])

    def _failed(self, env: Any, run: dict[str, Any]) -> FailureEvent:
        error = StatesErrorName(typ=StatesErrorNameType.StatesTaskFailed)
        return self._event(env, error, str(error.error_name), json.dumps(run, separators=(",", ":")))

    def _event(self, env: Any, error: Any, name: str, cause: str) -> FailureEvent:
        details = TaskFailedEventDetails(
            error=name,
            cause=cause,
            resource=self._get_sfn_resource(),
            resourceType=self._get_sfn_resource_type(),
        )
        return FailureEvent(
            env=env,
            error_name=error,
            event_type=HistoryEventType.TaskFailed,
            event_details=EventDetails(taskFailedEventDetails=details),  # type: ignore[typeddict-item]
        )


def install(patches: Patches, client: Callable[[str, str, Any], Any], timestamps: Callable[[Any], Any]) -> None:
    """Let state machines run jobs.

    Parameters
    ----------
    patches : Patches
    client : callable
        A client of a service in a region, with a state's credentials.
    timestamps : callable
        A description as Step Functions shows it.
    """
    known: Any = vars(state_task_factory)["state_task_service_for"]

    hooks = {"client": staticmethod(client), "timestamps": staticmethod(timestamps)}
    task = type("JobRunTask", (_JobRunTask,), hooks)

    def task_for(service_name: str) -> Any:
        return task() if service_name == _SERVICE else known(service_name)

    patches.set(state_task_factory, "state_task_service_for", task_for)


def _shape(emr: Any, name: str) -> Any:
    return emr.meta.service_model.shape_for(name)
