"""Updates by the CLI from beginning to end: the same verbs, events and errors as the embedded engine's."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from localcloud.automation.find import Cli
from localcloud.automation.variables import cli_environment
from localcloud.automation.workspace import workspace
from localcloud.engine.backend import BucketBackend
from localcloud.engine.errors import DeployError
from localcloud.engine.events import Deployment, OnEvent, Operation, ResourceEvent, Status
from localcloud.engine.project import Project, read_project
from localcloud.engine.run import interrupted, load_state
from localcloud.engine.state import STACK_TYPE
from localcloud.plugin import launcher
from localcloud.processes import Process
from localcloud.provider.aws import Aws

OnMessage = Callable[[str], None]
_HOST = Path(__file__).with_name("host.py")
_MARK: Final = "\x1e"
_PATIENCE_SECONDS = 120.0  # for what is under way when somebody presses Ctrl-C
_OPERATIONS: Final[dict[str, Operation]] = {
    "same": "same",
    "create": "create",
    "update": "update",
    "delete": "delete",
    "create-replacement": "replace",
    "delete-replaced": "delete",
    "read": "read",
    "import": "import",
    "import-replacement": "import",
    "refresh": "refresh",
}


def deploy(
    project: Path,
    stack: str,
    *,
    cli: Cli,
    folder: Path,
    environment: Mapping[str, str],
    config: Mapping[str, str] | None = None,
    refresh: bool = False,
    on_event: OnEvent | None = None,
    on_message: OnMessage | None = None,
    message: str = "",
) -> Deployment:
    """Bring the cloud to what the Pulumi program says: ``pulumi up --yes --skip-preview``.

    Parameters, result and errors as for `localcloud.engine.deploy`, and two more; ``environment`` also has
    PULUMI_CONFIG_PASSPHRASE.

    Parameters
    ----------
    cli : Cli
        What deploys.
    folder : Path
        Where the local cloud keeps its files: the CLI's home and the plugin's launcher go there.
    """
    update = _Update(project, stack, cli, folder, environment, config or {}, on_event, on_message)
    return update.run("up", message=message, refresh=refresh)


def destroy(
    project: Path,
    stack: str,
    *,
    cli: Cli,
    folder: Path,
    environment: Mapping[str, str],
    config: Mapping[str, str] | None = None,
    on_event: OnEvent | None = None,
    message: str = "",
) -> Deployment:
    """Delete every resource of the stack: ``pulumi destroy --yes``. Parameters as for `deploy`."""
    update = _Update(project, stack, cli, folder, environment, config or {}, on_event, None)
    return update.run("destroy", message=message)


@dataclass
class _Heard:
    """What the CLI told."""

    changes: dict[str, int] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)  # URNs of failed steps, with what was tried
    reasons: dict[str, list[str]] = field(default_factory=dict)  # URN -> the engine's error lines about it


class _Update:
    """One run of the CLI over one stack."""

    def __init__(
        self, project: Path, stack: str, cli: Cli, folder: Path, environment: Mapping[str, str],
        config: Mapping[str, str], on_event: OnEvent | None, on_message: OnMessage | None,
    ) -> None:  # fmt: skip
        self._project: Project = read_project(project, stack, config)
        self._cli, self._folder, self._environment = cli, folder.resolve(), environment
        self._on_event, self._on_message = on_event, on_message
        self._heard = _Heard()

    def run(self, command: str, *, message: str, refresh: bool = False) -> Deployment:
        """Run one command of the CLI and say what it came to."""
        salt = self._look_before()
        plugin = launcher(self._folder / "plugin")
        with (
            workspace(self._project, plugin, salt, folder=self._folder) as work,
            tempfile.TemporaryDirectory(prefix="localcloud-program-") as place,
        ):
            order = Path(place) / "order.json"
            order.write_text(
                json.dumps({
                    "command": command,
                    "message": message,
                    "refresh": refresh,
                    "project": self._project.name,
                    "stack": self._project.stack,
                    "root": str(self._project.root),
                    "program": str(self._project.program),
                    "work": str(work),
                    "home": str(self._folder / "pulumi"),
                })
            )  # fmt: skip
            code = self._run_host(order)
            answer = order.with_suffix(".outcome")
            outcome = json.loads(answer.read_text()) if answer.is_file() else None
        self._judge(outcome, code)
        known, _, _ = load_state(self._project, self._environment)
        outputs = next((state.plain_outputs for state in known if state.type == STACK_TYPE), {})
        return Deployment(outputs, self._heard.changes, tuple(known), tuple(self._heard.messages))

    def _look_before(self) -> str:
        """Fail as clearly as the embedded engine on a cloud, a lock or a state that is in the way; the state's salt."""
        backend = BucketBackend(Aws(self._environment), self._project.name, self._project.stack)
        backend.prepare()
        backend.lock()  # also does away with the lock of a process that is no more
        try:
            _, pending, secrets = load_state(self._project, self._environment)
        finally:
            backend.unlock()
        for begun in pending:
            self._say(interrupted(begun))
        return secrets.salt

    def _run_host(self, order: Path) -> int:
        child = Process.start(
            [sys.executable, "-P", str(_HOST), str(order)],
            cwd=self._project.root,
            env=cli_environment(self._environment, self._folder, self._cli.program),
            on_line=self._hear,
        )
        try:
            return child.wait()
        except BaseException:
            # Ctrl-C: the CLI must write the state and give up its lock; a second Ctrl-C ends it at once.
            child.terminate()
            with suppress(TimeoutError):
                child.wait(_PATIENCE_SECONDS)
            raise
        finally:
            child.kill()

    # --- what it tells -----------------------------------------------------------------------------------------------

    def _hear(self, line: str) -> None:
        if not line.startswith(_MARK):
            if line.strip():
                self._say(line.rstrip())
            return
        event = json.loads(line.removeprefix(_MARK))
        if "step" in event:
            self._step(event)
        elif "changes" in event:
            self._heard.changes = {kind: count for kind, count in event["changes"].items() if count}
        elif event["severity"] == "error" and event["urn"]:
            self._heard.reasons.setdefault(event["urn"], []).append(event["message"].removeprefix("error: "))
        elif event["severity"] != "debug":
            self._say(event["message"])

    def _step(self, event: Mapping[str, Any]) -> None:
        operation = _OPERATIONS.get(event["step"])
        if operation is None:
            return  # "replace" only announces the two steps that it consists of
        status: Status = event["status"]
        if status == "failed":
            self._heard.failed.append((event["urn"], operation))
        if self._on_event is not None:
            name = event["urn"].split("::", 3)[3]
            self._on_event(ResourceEvent(event["urn"], event["type"], name, operation, status, event["detail"]))

    def _say(self, line: str) -> None:
        self._heard.messages.append(line)
        if self._on_message is not None:
            self._on_message(line)

    def _judge(self, outcome: dict[str, Any] | None, code: int) -> None:
        if outcome is not None and outcome["error"] is None:
            return
        for urn, operation in self._heard.failed:
            raise _failure(urn, self._heard.reasons.get(urn, []), f"{operation} failed: ")
        for urn, reasons in self._heard.reasons.items():
            raise _failure(urn, reasons)
        if outcome is None:
            last = next((line for line in reversed(self._heard.messages) if line.strip()), "it printed nothing")
            raise DeployError(f"the program ended with exit code {code}: {last}", traceback=self._words())
        if outcome["program"]:
            place = f"{outcome['place']}: " if outcome["place"] else ""
            raise DeployError(f"the program failed: {place}{outcome['error']}", traceback=outcome["traceback"])
        raise DeployError(f"pulumi: {outcome['error']}", traceback=outcome["traceback"])

    def _words(self) -> str:
        return "\n".join(self._heard.messages)


def _failure(urn: str, reasons: list[str], verb: str = "") -> DeployError:
    named = DeployError("", urn=urn)
    reason = " ".join("; ".join(reasons).split()) or "the CLI didn't say why"
    return DeployError(f'{named.type} "{named.name}": {verb}{reason}', urn=urn)
