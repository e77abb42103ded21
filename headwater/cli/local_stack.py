"""The local cloud with the project deployed on it."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater.cli.command import Engine
from headwater.cli.failures import LOCAL_COMMAND
from headwater.cli.interrupts import Interrupted
from headwater.cli.local_unchanged import fingerprint, forget, remember, unchanged
from headwater.cli.output import note
from headwater.cli.policies import obey
from headwater.cli.progress import Stage, Stages
from headwater.client.description import LOCAL
from headwater.errors import InvalidRequest, NotFound

if TYPE_CHECKING:
    from localcloud.advancing import Advanced
    from localcloud.automation import Cli
    from localcloud.daemon import Running
    from localcloud.engine import Deployment

_SHOWN = {"create": "created", "update": "changed", "replace": "replaced", "delete": "deleted"}


class NotRunning(NotFound):
    """No local cloud runs in this project."""


@dataclass(frozen=True)
class Up:
    """A local cloud that runs, with the project deployed on it."""

    running: Running
    deployment: Deployment
    engine: Engine

    @property
    def resources(self) -> int:
        """How many cloud resources the stack has."""
        return sum(resource.custom for resource in self.deployment.resources)

    def data(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "status": "running",
            "endpoint": self.running.endpoint,
            "engine": self.engine.value,
            "resources": self.resources,
            "changes": dict(self.deployment.changes),
            "outputs": dict(self.deployment.outputs),
        }


def bring_up(
    stages: Stages,
    project: Path,
    home: Path,
    port: int | None,
    *,
    engine: Engine = Engine.EMBEDDED,
    refresh: bool = False,
    again: bool = False,
) -> Up:
    """Start the local cloud unless it runs, and deploy the project on it; what hasn't changed stays as it is.

    The embedded engine doesn't run the program where that can't change anything (`headwater.cli.local_unchanged`),
    unless ``again`` or ``refresh`` asks for it.

    Raises
    ------
    localcloud.automation.NoPulumi
        The engine is to be the Pulumi CLI, and there is none. Nothing was started.
    """
    from localcloud import daemon

    cli = _find_cli() if engine is Engine.PULUMI else None
    with stages.stage("cloud", "local cloud") as stage:
        kept = daemon.kept(home / "local") is not None
        running = daemon.up(home / "local", port=port)
        how = "runs already" if running.already else "started with what it kept" if kept else "started"
        stage.update(f"{how} at {running.endpoint}")
    with stages.stage("deploy", "Pulumi program") as stage:
        if cli is not None:
            return Up(running, _deploy(project, running, stage, cli, refresh=refresh), engine)
        return Up(running, _deploy_changes(project, running, stage, refresh=refresh, again=again), engine)


def _deploy_changes(project: Path, running: Running, stage: Stage, *, refresh: bool, again: bool) -> Deployment:
    """Deploy with the embedded engine, unless the last deployment was made of the same and nobody touched it since."""
    from localcloud.engine import resources

    from headwater.code.service import head_of

    cloud, environment = Path(running.directory), running.environment()
    # A commit changes no file of the program, and the commit that is deployed is kept (`headwater.code`).
    given = {"config": host_config(), "environment": environment, "code": head_of(project)}
    made_of = fingerprint(project, given)
    if not (refresh or again):
        known = unchanged(cloud, made_of, resources(project, LOCAL, environment=environment))
        if known is not None:
            count = sum(resource.custom for resource in known.resources)
            stage.update(f"{count} resources, nothing changed since the last deployment (--again runs the program)")
            return known
    forget(cloud)
    deployment = _deploy(project, running, stage, None, refresh=refresh)
    # As the next call reads it: the engine holds some values otherwise than the state does.
    remember(cloud, made_of, resources(project, LOCAL, environment=environment))
    return deployment


def _find_cli() -> Cli:
    from localcloud.automation import NoPulumi, find

    try:
        return find()
    except NoPulumi as error:
        error.next_step = f"make pulumi   (builds it once, needs Go), or {error.next_step}"
        raise


def _deploy(project: Path, running: Running, stage: Stage, cli: Cli | None, *, refresh: bool) -> Deployment:
    """Deploy with the Pulumi CLI, or without one with the embedded engine, and tell what came of it."""
    stage.update("packing the functions' code")
    wanted: dict[str, Any] = {
        "environment": running.environment(),
        "config": host_config(),
        "refresh": refresh,
        "on_event": _follow(stage),
    }
    if cli is None:
        from localcloud import engine

        deployment = engine.deploy(project, LOCAL, **wanted)
    else:
        from localcloud import automation

        deployment = automation.deploy(project, LOCAL, cli=cli, folder=Path(running.directory), **wanted)
    changes = ", ".join(
        f"{count} {_SHOWN[kind]}" for kind, count in deployment.changes.items() if kind in _SHOWN and count
    )
    resources = sum(resource.custom for resource in deployment.resources)
    components = len(deployment.resources) - resources  # which are counted among what was created
    by = "the embedded engine" if cli is None else f"the Pulumi CLI {cli}"
    stage.update(f"{resources} resources, {components} components: {changes or 'nothing changed'} (by {by})")
    obey(deployment.resources)
    return deployment


def _follow(stage: Stage) -> Callable[[Any], None]:
    """Shows each step of a deployment as it comes."""
    done = 0

    def on_event(event: Any) -> None:
        nonlocal done
        if event.status == "done" and not event.type.startswith(("headwater:", "pulumi:")):
            done += 1  # components are no resources of the cloud
        stage.update(f"{done} resources, {event.operation} {event.type.rpartition('/')[2] or event.type} {event.name}")

    return on_event


def deployed_resources(project: Path, running: Running) -> list[str]:
    """The types of the cloud resources that the last deployment left."""
    from localcloud.engine import resources

    found = resources(project, LOCAL, environment=running.environment())
    return [resource.type for resource in found if resource.custom]


def host_config() -> dict[str, str]:
    """Settings for functions that run on this very machine."""
    architecture = "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"
    return {"bundlePlatform": "host", "architecture": architecture}


def environment(running: Running) -> dict[str, str]:
    """The variables that lead AWS clients, Pulumi's CLI and our own command to the local cloud."""
    from localcloud import control

    return {**control.environment(running), "HEADWATER_STACK": LOCAL}


def running(home: Path) -> Running:
    """The local cloud that runs; raises `NotRunning` if none does."""
    from localcloud import control, daemon

    try:
        return control.running(home / "local")
    except daemon.LocalCloudError as error:
        raise NotRunning(error.message, next_steps=[error.next_step_by(LOCAL_COMMAND)]) from None


def kept_bytes(home: Path) -> int | None:
    """Bytes of the state that the local cloud keeps on disk; None if there is none."""
    from localcloud import daemon

    return daemon.kept(home / "local")


def stop(home: Path) -> bool:
    """Stop the local cloud and keep its state; False if none ran."""
    from localcloud import daemon

    return daemon.stop(home / "local")


def take_down(home: Path) -> bool:
    """Stop the local cloud and forget its state; False if none ran."""
    from localcloud import daemon

    return daemon.down(home / "local")


@contextmanager
def interruptible(home: Path) -> Iterator[None]:
    """Ctrl-C leaves the machine as it was: a cloud that this command started goes with it."""
    from localcloud import control

    try:
        with control.interruptible(home / "local", on_stop=lambda: note("stopping the local cloud")):
            yield
    except control.Interrupted as error:
        if error.runs_on:
            raise Interrupted(
                "the local cloud runs on; what was under way on it may be half done",
                next_steps=["headwater local status", "headwater local up does the rest", "headwater local down"],
            ) from None
        raise Interrupted(
            "nothing runs: the local cloud that this command had started was stopped",
            next_steps=["headwater local up starts it again"],
        ) from None


def advance_clock(
    home: Path, by: timedelta, *, settle_within: float | None, on_wait: Callable[[str], None]
) -> Advanced:
    """Move the local cloud's clock forward, and say where it is and what it waits for meanwhile.

    Raises
    ------
    Interrupted
        Somebody pressed Ctrl-C; the clock stands on its way.
    """
    from localcloud import control

    cloud = running(home)
    try:
        return cloud.advance(by, settle_within=settle_within, on_wait=lambda move: on_wait(control.waits_for(move)))
    except KeyboardInterrupt:
        raise Interrupted(
            f"the clock stopped on its way, at {cloud.now()}; what was started goes on",
            next_steps=["headwater local status"],
        ) from None


def duration(text: str) -> timedelta:
    """Read ``90s``, ``15m``, ``6h`` or ``7d``; raises `InvalidRequest`."""
    from localcloud import control, daemon

    try:
        return control.duration(text)
    except daemon.LocalCloudError as error:
        raise InvalidRequest(f"{text!r} is no duration: write 90s, 15m, 6h or 7d") from error
