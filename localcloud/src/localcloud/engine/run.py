"""Deployments from beginning to end: lock, load, run the program, delete what is left over, record."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.engine import hosts
from localcloud.engine.backend import BucketBackend
from localcloud.engine.describing import commit_title, describe_update
from localcloud.engine.errors import DeployError
from localcloud.engine.events import Deployment, OnEvent, ResourceEvent
from localcloud.engine.monitor import PARALLEL, serving
from localcloud.engine.ownership import Neighbour
from localcloud.engine.project import Project, read_project
from localcloud.engine.secrets import Secrets
from localcloud.engine.state import ResourceState, from_checkpoint, to_checkpoint, without_secrets
from localcloud.engine.state_snapshot import StateSnapshot
from localcloud.engine.steps import Steps, Stopped
from localcloud.provider.aws import Aws

if TYPE_CHECKING:
    from collections.abc import Iterator

OnMessage = Callable[[str], None]


def deploy(
    project: Path,
    stack: str,
    *,
    environment: Mapping[str, str],
    config: Mapping[str, str] | None = None,
    refresh: bool = False,
    on_event: OnEvent | None = None,
    on_message: OnMessage | None = None,
    message: str = "",
) -> Deployment:
    """Bring the cloud to what the Pulumi program says: ``pulumi up --yes``.

    Parameters
    ----------
    project : Path
        The folder with Pulumi.yaml.
    stack : str
        The stack's name.
    environment : mapping of str to str
        AWS_* variables that lead to the cloud; the program gets them too.
    config : mapping of str to str, optional
        Settings that come before those in Pulumi.<stack>.yaml.
    refresh : bool
        Look at every resource first, so that what was changed behind Pulumi's back is put right.
    on_event : callable, optional
        Told of each step, from several threads but one at a time.
    on_message : callable, optional
        Told of each line that the program logs or prints.
    message : str
        A word for the history.

    Returns
    -------
    Deployment
        Outputs, the number of changes by operation, and all resources.

    Raises
    ------
    DeployError
        A resource or the program failed. What succeeded is in the state, and the next deployment goes on from there.
    """
    update = _Update(read_project(project, stack, config or {}), environment, on_event, on_message)
    with update.recorded("update", message):
        if refresh:
            update.steps.refresh()
        update.run_program()
        update.steps.delete_unregistered()
    return update.result()


def preview(
    project: Path,
    stack: str,
    *,
    environment: Mapping[str, str],
    config: Mapping[str, str] | None = None,
    on_event: OnEvent | None = None,
    on_message: OnMessage | None = None,
) -> Deployment:
    """Say what `deploy` would do; nothing is changed, neither in the cloud nor in the state. Parameters as there."""
    update = _Update(read_project(project, stack, config or {}), environment, on_event, on_message, preview=True)
    with update.failing_clearly():
        update.run_program()
        update.steps.delete_unregistered()
    return update.result()


def destroy(
    project: Path,
    stack: str,
    *,
    environment: Mapping[str, str],
    config: Mapping[str, str] | None = None,
    on_event: OnEvent | None = None,
    message: str = "",
) -> Deployment:
    """Delete every resource of the stack, dependents first: ``pulumi destroy --yes``. Parameters as for `deploy`."""
    update = _Update(read_project(project, stack, config or {}), environment, on_event, None)
    with update.recorded("destroy", message):
        update.steps.delete_unregistered()
    return update.result()


def refresh(
    project: Path,
    stack: str,
    *,
    environment: Mapping[str, str],
    on_event: OnEvent | None = None,
    message: str = "",
) -> Deployment:
    """Bring the state to what the cloud has, as ``pulumi refresh --yes`` does. Parameters as for `deploy`."""
    update = _Update(read_project(project, stack, {}), environment, on_event, None)
    with update.recorded("refresh", message):
        update.steps.refresh()
    return update.result()


def resources(project: Path, stack: str, *, environment: Mapping[str, str]) -> tuple[ResourceState, ...]:
    """What the state says is there; empty if the stack was never deployed."""
    return tuple(load_state(read_project(project, stack, {}), environment)[0])


def load_state(
    project: Project, environment: Mapping[str, str]
) -> tuple[list[ResourceState], list[ResourceState], Secrets]:
    """Resources, creations that were begun and not ended, and what the secrets are encrypted with.

    Raises
    ------
    StateError
        The state can't be read, or isn't one.
    """
    checkpoint = BucketBackend(Aws(environment), project.name, project.stack).load()
    if checkpoint is None:
        return [], [], Secrets(_passphrase(environment))
    return from_checkpoint(checkpoint, _passphrase(environment), project.directory)


class _Update:
    """One run over one stack."""

    def __init__(
        self,
        project: Project,
        environment: Mapping[str, str],
        on_event: OnEvent | None,
        on_message: OnMessage | None,
        *,
        preview: bool = False,
    ) -> None:
        self._project = project
        self._environment = environment
        self._on_event = on_event or _ignore
        self._on_message = on_message
        self._messages: list[str] = []
        self._preview = preview
        self._decrypted = project.decrypted(_passphrase(environment))
        self._backend = BucketBackend(Aws(environment), project.name, project.stack)
        if preview:
            self._open()

    def _open(self) -> None:
        known, pending, self._secrets = load_state(self._project, self._environment)
        for begun in pending:
            self._say(interrupted(begun))
        self.steps = Steps(
            StateSnapshot(known, None if self._preview else self._write),
            self._environment,
            {**self._project.config, **self._decrypted},
            stack=self._project.stack,
            project=self._project.name,
            preview=self._preview,
            on_event=self._on_event,
            neighbours=self._neighbours,
        )

    def _neighbours(self) -> Iterator[Neighbour]:
        for stack, checkpoint in self._backend.others():
            yield from (Neighbour(stack, state) for state in without_secrets(stack, checkpoint))

    def result(self) -> Deployment:
        """What it came to."""
        return Deployment(
            dict(self.steps.outputs),
            dict(self.steps.changes),
            tuple(self.steps.snapshot.resources()),
            tuple(self._messages),
        )

    @contextmanager
    def recorded(self, kind: str, message: str) -> Iterator[None]:
        """Hold the stack's lock, and leave a line in its history however it ends."""
        self._backend.prepare()
        self._backend.lock()
        try:
            self._open()
            start, succeeded = int(time.time()), False
            try:
                with self.failing_clearly():
                    yield
                succeeded = True
            finally:
                checkpoint = self._checkpoint(self.steps.snapshot.resources(), [])
                self._backend.save(checkpoint)
                self._backend.record(self._history(kind, message, start, succeeded), checkpoint)
        finally:
            self._backend.unlock()

    @contextmanager
    def failing_clearly(self) -> Iterator[None]:
        """Raise the one error that says why the run stopped."""
        try:
            yield
        except Stopped:
            if self.steps.failure is None:
                raise
            raise self.steps.failure from None

    def run_program(self) -> None:
        """Run the user's program against this engine; raises `DeployError` if it or a resource failed."""
        with (
            tempfile.TemporaryDirectory(prefix="localcloud-program-") as folder,
            serving(self._project, self.steps, self._say) as address,
        ):
            order = Path(folder) / "order.json"
            order.write_text(json.dumps(self._order(address)))
            printed: list[str] = []

            def hear(line: str) -> None:
                printed.append(line.rstrip())
                self._say(line.rstrip())

            child = hosts.start(
                order, directory=self._project.root, environment=self._program_environment(), on_line=hear
            )
            try:
                code = child.wait()
            finally:
                child.kill()
            answer = order.with_suffix(".outcome")
            outcome = json.loads(answer.read_text()) if answer.is_file() else None
        self._judge(outcome, code, printed)

    def _judge(self, outcome: dict[str, Any] | None, code: int, printed: list[str]) -> None:
        if self.steps.failure is not None:
            raise self.steps.failure
        if outcome is None:
            last = next((line for line in reversed(printed) if line.strip()), "it printed nothing")
            raise DeployError(f"the program ended with exit code {code}: {last}", traceback="\n".join(printed))
        if outcome["error"] is not None:
            place = f"{outcome['place']}: " if outcome["place"] else ""
            raise DeployError(f"the program failed: {place}{outcome['error']}", traceback=outcome["traceback"])

    def _order(self, address: str) -> dict[str, Any]:
        return {
            "project": self._project.name,
            "stack": self._project.stack,
            "root": str(self._project.root),
            "program": str(self._project.program),
            "monitor": address,
            "engine": address,
            "parallel": PARALLEL,
            "preview": self._preview,
            "config": {**self._project.config, **self._decrypted},
            "secret_keys": sorted(self._decrypted),
        }

    def _program_environment(self) -> dict[str, str]:
        # The person's own AWS and Pulumi variables must not reach a program that is meant for this cloud.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PULUMI_"))}
        return {**inherited, **self._environment}

    def _write(self, known: list[ResourceState], pending: list[ResourceState]) -> None:
        self._backend.save(self._checkpoint(known, pending))

    def _checkpoint(self, known: list[ResourceState], pending: list[ResourceState]) -> dict[str, Any]:
        stack = f"organization/{self._project.name}/{self._project.stack}"
        return to_checkpoint(stack, known, pending, self._secrets)

    def _history(self, kind: str, message: str, start: int, succeeded: bool) -> dict[str, Any]:
        return {
            "version": 0,
            "kind": kind,
            "startTime": start,
            "message": message or commit_title(self._project.root),
            "environment": describe_update(self._project.root),
            "config": dict(self._project.config),
            "result": "succeeded" if succeeded else "failed",
            "endTime": int(time.time()),
            "resourceChanges": dict(self.steps.changes),
        }

    def _say(self, line: str) -> None:
        self._messages.append(line)
        if self._on_message is not None:
            self._on_message(line)


def interrupted(begun: ResourceState) -> str:
    """The warning about a creation that was begun and isn't known to have ended."""
    return (
        f'warning: {begun.type} "{begun.name}": an interrupted deployment had begun to create it; '
        "if it came to be, nothing knows of it"
    )


def _passphrase(environment: Mapping[str, str]) -> str:
    # The person's own passphrase is for stacks on AWS.
    return environment.get("PULUMI_CONFIG_PASSPHRASE", "")


def _ignore(_: ResourceEvent) -> None:
    pass
