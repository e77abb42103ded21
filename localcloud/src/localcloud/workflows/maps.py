"""Distributed maps: who may run one, what fails one, and how far one is.

After "Distributed mode" and "IAM policies for using Distributed Map states" in Step Functions' developer guide.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from moto.stepfunctions.parser.api import HistoryEventType, MapRunFailedEventDetails, MapRunStatus
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.common.timeouts.timeout import EvalTimeoutError
from moto.stepfunctions.parser.asl.component.state.exec.state_map.item_reader.item_reader_decl import ItemReader
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.distributed_iteration_component import (
    DistributedIterationComponent,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor import (
    distributed_item_processor_worker as processor,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor.map_run_record import (
    MapRunRecord,
)
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.eval.program_state import ProgramEnded, ProgramStopped, ProgramTimedOut
from moto.stepfunctions.parser.asl.eval.states import ItemData, MapData
from moto.stepfunctions.parser.asl.eval.variable_store import VariableStore

from localcloud.context import CloudContext
from localcloud.identity import Identity
from localcloud.moto_patches.patches import Patches

_EXCEEDED = "The specified tolerated failure threshold was exceeded"


def install(cloud: CloudContext, patches: Patches) -> None:
    """Mend moto's distributed maps."""
    _mend_run(cloud, patches)
    _mend_reader(patches)
    patches.set(processor.DistributedItemProcessorWorker, "_eval_job", _run_item)
    set_stop: Any = MapRunRecord.set_stop

    def stop(record: MapRunRecord, status: MapRunStatus) -> None:
        if record.stop_date is None:
            set_stop(record, status)

    patches.set(MapRunRecord, "set_stop", stop)


def _mend_run(cloud: CloudContext, patches: Patches) -> None:
    """A map starts its children by StartExecution, fails by what it tolerates, and is aborted with its execution."""
    run: Any = DistributedIterationComponent._map_run

    def permitted(self: Any, env: Any, eval_input: Any) -> None:
        machine = env.states.context_object.context_object_data["StateMachine"]["Id"]
        role = env.aws_execution_details.role_arn
        if refusal := cloud.emulator(Identity).refusal(role, "states:StartExecution", machine):
            raise _failure(env, StatesErrorNameType.StatesPermissions, refusal)
        record = eval_input.map_run_record
        for counter in (record.item_counter, record.execution_counter):
            counter.total.count(len(env.stack[-1]))
            counter.pending.count(len(env.stack[-1]))
        try:
            run(self, env, eval_input)
        except FailureEventException:
            # Children that still run are stopped.
            for child in list(env._frames):
                child.set_stop(datetime.now(UTC), None, None)
            raise
        if isinstance(env.program_state(), ProgramStopped):
            record.set_stop(MapRunStatus.ABORTED)

    patches.set(DistributedIterationComponent, "_map_run", permitted)


def _run_item(self: Any, env: Any, job: Any) -> None:
    """Run one child, and end the map if more failed than it tolerates; moto lets all of them fail."""
    record = self._map_run_record
    _move(record, "pending", "running")
    ended = "failed"
    try:
        env.states.context_object.context_object_data["Map"] = MapData(
            Item=ItemData(Index=job.job_index, Value=job.job_input)
        )
        env.states.reset(job.job_input)
        env.stack.append(env.states.get_input())
        self._eval_input(env_frame=env)
        # An execution of its own: it knows its input, and no variable of the machine.
        env.variable_store = VariableStore()  # type: ignore[no-untyped-call]
        job.job_program.eval(env)
        match env.program_state():
            case ProgramEnded():
                ended, job.job_output = "succeeded", env.states.get_input()
            case ProgramStopped():
                ended = "aborted"
            case ProgramTimedOut():
                ended = "timed_out"
    except EvalTimeoutError:
        ended = "timed_out"
    except RuntimeError:
        # The map was stopped before this child had begun.
        if not isinstance(env.program_state(), ProgramStopped):
            raise
        ended = "aborted"
    except FailureEventException:
        pass  # its ItemSelector failed
    _move(record, "running", ended)
    counts = record.item_counter
    if ended in ("failed", "timed_out") and _exceeds(
        record, counts.failed.get() + counts.timed_out.get(), counts.total.get()
    ):
        job.job_output = _failure(env, StatesErrorNameType.StatesExceedToleratedFailureThreshold, _EXCEEDED)


def _move(record: MapRunRecord, before: str, after: str) -> None:
    for counter in (record.item_counter, record.execution_counter):
        getattr(counter, before).offset(-1)
        getattr(counter, after).count()


def _exceeds(record: MapRunRecord, failed: int, items: int) -> bool:
    """Whether a map run fails; moto's record can't tell a threshold of 0 from one that isn't given."""
    count, percentage = record.tolerated_failure_count, record.tolerated_failure_percentage
    by_percentage = failed * 100 > percentage * items
    if count and percentage:
        return failed > count or by_percentage
    return by_percentage if percentage else failed > count


def _mend_reader(patches: Patches) -> None:
    """What can't be read from S3 is States.ItemReaderFailed; moto calls it States.Runtime."""
    read: Any = ItemReader._eval_body

    def body(self: Any, env: Any) -> None:
        try:
            read(self, env)
        except ClientError as error:
            said = error.response.get("Error", {}).get("Message", str(error))
            raise _failure(env, StatesErrorNameType.StatesItemReaderFailed, said) from error

    patches.set(ItemReader, "_eval_body", body)


def _failure(env: Any, kind: StatesErrorNameType, cause: str) -> FailureEventException:
    error = StatesErrorName(typ=kind)
    details = EventDetails(  # type: ignore[typeddict-item]
        mapRunFailedEventDetails=MapRunFailedEventDetails(error=error.error_name, cause=cause)
    )
    return FailureEventException(
        FailureEvent(env=env, error_name=error, event_type=HistoryEventType.MapRunFailed, event_details=details)
    )
