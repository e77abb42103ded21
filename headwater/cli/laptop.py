"""The local cloud with the project deployed on it."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater.cli.output import note
from headwater.cli.policies import obey
from headwater.cli.progress import Stage, Stages
from headwater.client.stack import LOCAL
from headwater.errors import InvalidRequest, NotFound

if TYPE_CHECKING:
    from headwater.local.daemon import Running
    from headwater.local.engine import Deployment

_SHOWN = {"create": "created", "update": "changed", "replace": "replaced", "delete": "deleted"}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class NotRunning(NotFound):
    """No local cloud runs in this project."""


@dataclass(frozen=True)
class Up:
    """A local cloud that runs, with the project deployed on it."""

    running: Running
    deployment: Deployment

    @property
    def resources(self) -> int:
        """How many cloud resources the stack has."""
        return sum(resource.custom for resource in self.deployment.resources)

    def data(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "status": "running",
            "endpoint": self.running.endpoint,
            "resources": self.resources,
            "changes": dict(self.deployment.changes),
            "outputs": dict(self.deployment.outputs),
        }


def bring_up(stages: Stages, project: Path, home: Path, port: int | None) -> Up:
    """Start the local cloud unless it runs, and deploy the project on it; what hasn't changed stays as it is."""
    from headwater.local import daemon

    with stages.stage("cloud", "local cloud") as stage:
        running = daemon.up(home / "local", port=daemon.DEFAULT_PORT if port is None else port)
        stage.update(f"{'runs already' if running.already else 'started'} at {running.endpoint}")
    with stages.stage("deploy", "Pulumi program") as stage:
        return Up(running, _deploy(project, running, stage))


def _deploy(project: Path, running: Running, stage: Stage) -> Deployment:
    from headwater.local.engine import deploy

    done = 0

    def on_event(event: Any) -> None:
        nonlocal done
        if event.status == "done" and not event.type.startswith(("headwater:", "pulumi:")):
            done += 1  # components are no resources of the cloud
        stage.update(f"{done} resources, {event.operation} {event.type.rpartition('/')[2] or event.type} {event.name}")

    stage.update("packing the functions' code")
    deployment = deploy(project, LOCAL, environment=running.environment(), config=host_config(), on_event=on_event)
    changes = ", ".join(
        f"{count} {_SHOWN[kind]}" for kind, count in deployment.changes.items() if kind in _SHOWN and count
    )
    stage.update(
        f"{sum(resource.custom for resource in deployment.resources)} resources: {changes or 'nothing changed'}"
    )
    obey(deployment.resources)
    return deployment


def deployed_resources(project: Path, running: Running) -> list[str]:
    """The types of the cloud resources that the last deployment left."""
    from headwater.local.engine import resources

    found = resources(project, LOCAL, environment=running.environment())
    return [resource.type for resource in found if resource.custom]


def host_config() -> dict[str, str]:
    """What differs when the functions run on this very machine."""
    architecture = "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"
    return {"bundlePlatform": "host", "architecture": architecture}


def running(home: Path) -> Running:
    """The local cloud that runs; raises `NotRunning` if none does."""
    from headwater.local import daemon

    seen = daemon.status(home / "local")
    if seen is None:
        raise NotRunning("no local cloud runs here", next_steps=["headwater local up"])
    return seen


def take_down(home: Path) -> bool:
    """Stop the local cloud; False if none ran."""
    from headwater.local import daemon

    return daemon.down(home / "local")


@contextmanager
def interruptible(home: Path) -> Iterator[None]:
    """Ctrl-C leaves the machine as it was: a cloud that this command started goes with it."""
    from headwater.local import daemon

    was_running = daemon.status(home / "local") is not None
    try:
        yield
    except KeyboardInterrupt:
        if not was_running:
            note("stopping the local cloud")
            take_down(home)
        raise


def advance_clock(home: Path, by: timedelta) -> str:
    """Move the local cloud's clock forward; its time then, ISO 8601."""
    return running(home).advance(by)


def duration(text: str) -> timedelta:
    """Read ``90s``, ``15m``, ``6h`` or ``7d``; raises `InvalidRequest`."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise InvalidRequest(f"{text!r} is no duration: write 90s, 15m, 6h or 7d")
    return timedelta(**{_UNITS[match[2]]: float(match[1])})
