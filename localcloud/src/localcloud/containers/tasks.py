"""ECS tasks that run: moto keeps clusters, definitions and tasks; this emulator gives each Fargate task a process."""

from __future__ import annotations

import tempfile
import threading
import uuid
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moto.ecs.models import EC2ContainerServiceBackend, ecs_backends

from localcloud.containers.credentials import role_environment
from localcloud.containers.execution_role import missing
from localcloud.containers.logs import LogStream
from localcloud.containers.runner import CannotPull, Container, find_image, start
from localcloud.containers.store import ImageStore
from localcloud.context import CloudContext
from localcloud.moto_patches.patches import Patches
from localcloud.processes import Process
from localcloud.rest import Going

_LOOK_SECONDS = 0.1  # how often a task's memory is measured
_STOP_SECONDS = 30  # what ECS gives a container between SIGTERM and SIGKILL
_OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"


class _CannotStart(Exception):
    """The task never ran; the text is its stopped reason."""


class Tasks:
    """The emulator that runs ECS tasks."""

    def __init__(self, cloud: CloudContext, store: ImageStore) -> None:
        self._cloud = cloud
        self._store = store
        self._processes: dict[str, list[Process]] = {}
        self._at_work: dict[str, Going] = {}
        self._patches = Patches()

    def open(self) -> None:
        """Take RunTask and StopTask over, behind moto's own checks and in front of its own pretence."""
        ecs = EC2ContainerServiceBackend
        run_task, stop_task, requirements = ecs.run_task, ecs.stop_task, ecs._calculate_task_resource_requirements

        def run(backend: Any, *arguments: Any, **named: Any) -> list[Any]:
            tasks: list[Any] = run_task(backend, *arguments, **named)
            for task in tasks:
                self._adopt(backend, task)
            return tasks

        def stop(backend: Any, cluster: str, name: str, reason: str) -> Any:
            tasks = {arn: task for one in backend.tasks.values() for arn, task in one.items()}
            for arn, task in tasks.items():
                if arn in self._processes and arn.rpartition("/")[2] == name.rpartition("/")[2]:
                    self._stop(task, reason or "")
                    return task
            return stop_task(backend, cluster, name, reason)

        def require(definition: Any) -> dict[str, Any]:
            # On Fargate only the task has a size; moto adds up the containers' and stumbles over None.
            if "FARGATE" in (definition.requires_compatibilities or ()):
                return {"CPU": 0, "MEMORY": 0, "PORTS": [], "PORTS_UDP": []}
            return dict(requirements(definition))

        self._patches.set(ecs, "run_task", run)
        self._patches.set(ecs, "stop_task", stop)
        self._patches.set(ecs, "_calculate_task_resource_requirements", staticmethod(require))

    def reopen(self) -> None:
        """Tasks that ran when the last cloud ended have stopped with it."""
        backend: Any = ecs_backends[self._cloud.account_id][self._cloud.region]
        for tasks in backend.tasks.values():
            for task in tasks.values():
                if task.status != "STOPPED":
                    reason = task.stopped_reason or "The local cloud ended while this task ran."
                    self._set_stopped(task, code="TerminationNotice", reason=reason)

    def close(self) -> None:
        """Kill every task."""
        self._patches.close()
        for processes in list(self._processes.values()):
            for process in processes:
                process.kill()

    def _adopt(self, backend: Any, task: Any) -> None:
        """Make moto's task ours: its status is what its process does, not how often it was looked at."""
        definition = backend.describe_task_definition(task.task_definition_arn)
        task._transitions = []
        task.status = "PROVISIONING"
        task.stop_code, task.stopped_reason = None, None
        task.created_at = datetime.now(UTC)
        task.started_at = task.stopping_at = task.stopped_at = None
        task.cpu, task.memory = str(definition.cpu or ""), str(definition.memory or "")
        task.availability_zone, task.connectivity, task.version = f"{self._cloud.region}a", "CONNECTED", 1
        task.containers = [
            {
                "containerArn": task.task_arn.replace(":task/", ":container/") + f"/{uuid.uuid4()}",
                "taskArn": task.task_arn,
                "name": container["name"],
                "image": container["image"],
                "lastStatus": "PENDING",
                "networkInterfaces": [],
                "healthStatus": "UNKNOWN",
                "cpu": str(container.get("cpu", 0)),
            }
            for container in definition.container_definitions
        ]
        self._processes[task.task_arn] = []
        if not str(task.group or "").startswith("service:"):  # which is there to run on
            self._at_work[task.task_arn] = Going(f"task {definition.family}", task.task_arn)
        threading.Thread(target=self._run, args=(task, definition), name=f"task {task.id}", daemon=True).start()

    def going_on(self) -> list[Going]:
        """Tasks that haven't stopped."""
        return list(self._at_work.copy().values())

    def _stop(self, task: Any, reason: str) -> None:
        """Ask a task to end; moto's lock is held."""
        if task.stop_code is None:
            task.stop_code, task.stopped_reason, task.desired_status = "UserInitiated", reason, "STOPPED"
            task.stopping_at = datetime.now(UTC)
            for process in self._processes[task.task_arn]:
                process.terminate()

    def _set(self, task: Any, status: str, **attributes: Any) -> None:
        with self._cloud.dispatcher.lock:
            task.status = status
            task.version += 1
            for name, value in attributes.items():
                setattr(task, name, value)
            for container in task.containers:
                container["lastStatus"] = status
        if status in ("RUNNING", "STOPPED") and not self._cloud.stopped.is_set():
            self._announce(task)

    def _announce(self, task: Any) -> None:
        """Tell EventBridge, as ECS does."""
        detail = {
            "clusterArn": task.cluster_arn,
            "taskArn": task.task_arn,
            "taskDefinitionArn": task.task_definition_arn,
            "group": task.group,
            "launchType": task.launch_type,
            "startedBy": task.started_by,
            "lastStatus": task.status,
            "desiredStatus": task.desired_status,
            "containers": task.containers,
            "stopCode": task.stop_code,
            "stoppedReason": task.stopped_reason,
            "version": task.version,
        }
        detail = {name: value for name, value in detail.items() if value is not None}
        self._cloud.tell("aws.ecs", "ECS Task State Change", task.task_arn, detail)

    def _run(self, task: Any, definition: Any) -> None:
        """One task from PENDING to STOPPED."""
        try:
            self._see_through(task, definition)
        finally:
            self._at_work.pop(task.task_arn, None)

    def _see_through(self, task: Any, definition: Any) -> None:
        self._set(task, "PENDING")
        code, reason = "TaskFailedToStart", ""
        with tempfile.TemporaryDirectory(
            prefix="task-", dir=self._cloud.directory, ignore_cleanup_errors=True
        ) as scratch:
            try:
                code, reason = self._run_containers(task, definition, Path(scratch))
            except _CannotStart as error:
                reason = str(error)
            except Exception as error:  # a task that fails to start must stop, not stay PENDING
                reason = f"ResourceInitializationError: {error!r}"
            finally:
                for process in self._processes.pop(task.task_arn):
                    process.kill()
        # A stop that somebody asked for keeps the reason that was given.
        self._set_stopped(task, code=code, reason=reason if task.stop_code is None else task.stopped_reason)

    def _set_stopped(self, task: Any, *, code: str | None, reason: str | None) -> None:
        now = datetime.now(UTC)
        self._set(
            task,
            "STOPPED",
            desired_status="STOPPED",
            stopped_at=now,
            stopping_at=task.stopping_at or now,
            stop_code=task.stop_code or code,
            stopped_reason=reason,
        )

    def _run_containers(self, task: Any, definition: Any, scratch: Path) -> tuple[str, str]:
        overrides = task.overrides or {}
        by_name = {override["name"]: override for override in overrides.get("containerOverrides", [])}
        if unknown := by_name.keys() - {container["name"] for container in definition.container_definitions}:
            raise _CannotStart(f"Override for container named {min(unknown)} is not a container in the TaskDefinition.")
        role = overrides.get("taskRoleArn") or getattr(definition, "task_role_arn", None)
        execution_role = overrides.get("executionRoleArn") or getattr(definition, "execution_role_arn", None)
        try:
            containers = [Container.read(one, by_name.get(one["name"], {})) for one in definition.container_definitions]
            images = [find_image(self._cloud, self._store, container.image) for container in containers]
        except (CannotPull, ValueError) as error:
            raise _CannotStart(str(error)) from None
        for container in containers:
            if problem := missing(self._cloud, execution_role, container, _stream(task, container)):
                raise _CannotStart(problem)
        logs = ExitStack()
        with logs:
            for number, (container, image, shown) in enumerate(zip(containers, images, task.containers, strict=True)):
                say = self._log(task, container, logs)
                folder = scratch / str(number)
                folder.mkdir()
                variables = role_environment(self._cloud, role) | {"AWS_EXECUTION_ENV": "AWS_ECS_FARGATE"}
                try:
                    process = start(container, image, self._store, folder, variables, say)
                except OSError as error:
                    raise _CannotStart(f"CannotStartContainerError: {error}") from None
                shown["imageDigest"] = f"sha256:{image.id}"
                self._processes[task.task_arn].append(process)
            self._set(task, "RUNNING", started_at=datetime.now(UTC))
            if task.stop_code:
                self._stop_processes(task)
            limit = int(overrides.get("memory") or definition.memory or 0) * 2**20
            self._watch(task, containers, limit)
        return "EssentialContainerExited", "Essential container in task exited"

    def _stop_processes(self, task: Any) -> None:
        for process in self._processes[task.task_arn]:
            process.terminate()

    def _log(self, task: Any, container: Container, logs: ExitStack) -> Any:
        """Where the container's lines go; what is wrong with its log configuration stops the task before it starts."""
        if container.log is None:
            return lambda _line: None
        group, prefix = container.log.get("awslogs-group", ""), container.log.get("awslogs-stream-prefix")
        if prefix is None:
            raise _CannotStart("ResourceInitializationError: awslogs-stream-prefix is required on Fargate")
        if container.log.get("awslogs-create-group") != "true":
            found = self._cloud.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]
            if group not in {one["logGroupName"] for one in found}:
                raise _CannotStart(
                    "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 "
                    "times: failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group "
                    f"does not exist: {group}"
                )
        stream = LogStream(self._cloud, group, _stream(task, container))
        logs.callback(stream.close)
        return stream.line

    def _watch(self, task: Any, containers: list[Container], limit: int) -> None:
        """Wait until an essential container ends or memory runs out, then end the others and write the codes down."""
        processes = list(self._processes[task.task_arn])
        codes: dict[int, int] = {}
        while not any(containers[n].essential for n in codes) and len(codes) < len(processes):
            for number, process in enumerate(processes):
                if number not in codes and (code := _exit_code(process, _LOOK_SECONDS)) is not None:
                    codes[number] = code
                elif number not in codes and (over := containers[number].memory) and process.memory() > over:
                    self._out_of_memory(task, number, process)
            if limit and sum(process.memory() for n, process in enumerate(processes) if n not in codes) > limit:
                largest = max(range(len(processes)), key=lambda n: processes[n].memory())
                self._out_of_memory(task, largest, processes[largest])
            if task.stop_code and (datetime.now(UTC) - task.stopping_at).total_seconds() > _STOP_SECONDS:
                for process in processes:
                    process.kill()
        for number, process in enumerate(processes):
            if number not in codes:
                process.terminate()
                if (code := _exit_code(process, _STOP_SECONDS)) is None:
                    process.kill()
                    code = process.wait()
                codes[number] = code
        with self._cloud.dispatcher.lock:
            for number, code in codes.items():
                task.containers[number]["exitCode"] = code

    def _out_of_memory(self, task: Any, number: int, process: Process) -> None:
        process.kill()
        with self._cloud.dispatcher.lock:
            task.containers[number]["reason"] = _OUT_OF_MEMORY


def _stream(task: Any, container: Container) -> str:
    """The log stream of one container of a task."""
    return f"{(container.log or {}).get('awslogs-stream-prefix')}/{container.name}/{task.task_arn.split('/')[-1]}"


def _exit_code(process: Process, timeout: float) -> int | None:
    with suppress(TimeoutError):
        return process.wait(timeout)
    return None
