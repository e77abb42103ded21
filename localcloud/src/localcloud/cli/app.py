"""The commands. Each imports what it needs when it runs, so that ``--help`` answers at once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from localcloud.cli.command import INTERRUPTED, Answer, CommandFailed, add, say

if TYPE_CHECKING:
    from localcloud.engine import Deployment, ResourceEvent
    from localcloud.snapshots import Snapshot

DirectoryOption = Annotated[
    Path,
    typer.Option(
        "--directory", "-d", envvar="LOCALCLOUD_DIRECTORY", help="Folder in which the cloud keeps its state and log."
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask for confirmation.")]
NameArgument = Annotated[
    str, typer.Argument(help="Up to 64 letters, digits, '.', '_' and '-'.", metavar="NAME", show_default=False)
]
ProjectOption = Annotated[Path, typer.Option("--project", help="Folder with the Pulumi.yaml.")]
StackOption = Annotated[str, typer.Option("--stack", "-s", help="Name of the stack.")]
DIRECTORY = Path(".localcloud")


def up(
    directory: DirectoryOption = DIRECTORY,
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            envvar="LOCALCLOUD_PORT",
            help="Port on 127.0.0.1; 0 takes a free one. [default: the last one, or 4610]",
            show_default=False,
        ),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            help="AWS region that the cloud stands for. [default: the last one, or us-east-1]", show_default=False
        ),
    ] = None,
) -> Answer:
    """Start the cloud in the background, with what it kept when it was last stopped."""
    from localcloud import daemon

    _make(directory)
    kept = daemon.kept(directory) is not None
    with _interruptible(directory):
        cloud = daemon.up(directory, port=port, region=region)
    how = "runs already" if cloud.already else "started with what it kept" if kept else "started"
    data = {"status": "running", "endpoint": cloud.endpoint, "region": cloud.region, "already": cloud.already}
    notes = [
        f"the local cloud {how} at {cloud.endpoint}",
        'use it:  eval "$(localcloud env)"; aws s3 mb s3://photos',
        "stop it: localcloud stop (keeps everything), localcloud down (forgets it)",
    ]
    return Answer(data, notes=notes)


def stop(directory: DirectoryOption = DIRECTORY) -> Answer:
    """Stop the cloud and every process it started; the next `up` finds what was on it."""
    from localcloud import daemon

    was_running = daemon.stop(directory)
    kept = daemon.kept(directory)
    return Answer({"status": "stopped", "was_running": was_running, "kept_bytes": kept}, notes=[_stopped(was_running)])


def down(directory: DirectoryOption = DIRECTORY, yes: YesOption = False) -> Answer:
    """Stop the cloud and forget what was on it; asks before that."""
    from localcloud import control, daemon

    kept = daemon.kept(directory)
    if kept is not None:
        _insist(f"Forget everything on the local cloud ({control.as_size(kept)})?", yes, "localcloud stop keeps it")
    was_running = daemon.down(directory)
    return Answer(
        {"status": "stopped", "was_running": was_running, "forgotten_bytes": kept}, notes=[_stopped(was_running)]
    )


def status(directory: DirectoryOption = DIRECTORY) -> Answer:
    """Say whether the cloud runs, where, and how much it keeps; exits 3 if it doesn't run."""
    from localcloud import control

    found = control.facts(control.running(directory))
    return Answer(found, "\n".join(f"{name:<11} {fact}" for name, fact in found.items()))


def env(directory: DirectoryOption = DIRECTORY) -> Answer:
    """Print the variables that lead AWS clients and Pulumi to the cloud: eval "$(localcloud env)"."""
    from localcloud import control

    variables = control.environment(control.running(directory))
    return Answer(variables, control.export_lines(variables))


def advance(
    by: Annotated[str, typer.Argument(help="Such as 90s, 15m, 6h or 7d.", show_default=False)],
    settle_within: Annotated[
        str, typer.Option("--settle-within", help="How long each stop may wait for what was started.")
    ] = "2m",
    settle: Annotated[
        bool, typer.Option("--settle/--no-settle", help="Wait at each stop for what was started.")
    ] = True,
    directory: DirectoryOption = DIRECTORY,
) -> Answer:
    """Move the cloud's clock forward: schedules and alarms that fall due on the way happen.

    At each moment at which something falls due it waits until what was started has come to rest, and says what it
    didn't wait for: what takes longer than --settle-within, or waits by the machine's clock. Ctrl-C leaves the clock on
    its way.
    """
    from localcloud import control

    cloud, within = control.running(directory), control.settle_within(settle_within, settle=settle)
    tell = control.Patient(say)
    try:
        move = cloud.advance(control.duration(by), settle_within=within, on_wait=tell)
    except KeyboardInterrupt:
        message = f"the clock stopped on its way, at {cloud.now()}; what was started goes on"
        raise CommandFailed("Interrupted", message, "localcloud status", exit_code=INTERRUPTED) from None
    notes = [f"the local cloud's time is {move.now} now", *control.passed_in_words(move)]
    return Answer({"now": move.now, "not_waited_for": move.passed}, notes=notes)


def save(
    name: NameArgument,
    directory: DirectoryOption = DIRECTORY,
    replace: Annotated[bool, typer.Option("--replace", help="Let an earlier snapshot of that name give way.")] = False,
) -> Answer:
    """Save everything that is on the cloud under a name; a cloud that runs goes on."""
    from localcloud import snapshots

    saved = snapshots.save(directory, name, replace=replace)
    return Answer(saved.data(), notes=[f"saved; back to it: localcloud snapshot restore {name}"])


def restore(name: NameArgument, directory: DirectoryOption = DIRECTORY, yes: YesOption = False) -> Answer:
    """Bring the cloud back to a saved state and start it; what is on it now is forgotten, so it asks."""
    from localcloud import control, daemon, snapshots

    kept = daemon.kept(directory)
    if kept is not None:
        _insist(
            f"Forget what is on the local cloud now ({control.as_size(kept)}), and go back to {name!r}?",
            yes,
            "localcloud snapshot save ANOTHER_NAME keeps it",
        )
    restored = snapshots.restore(directory, name)
    cloud = daemon.up(directory, port=None)
    note = f"the local cloud is as it was at {restored.saved_at:%Y-%m-%d %H:%M:%S} UTC, at {cloud.endpoint}"
    return Answer({**restored.data(), "endpoint": cloud.endpoint}, notes=[note])


def list_saved(directory: DirectoryOption = DIRECTORY) -> Answer:
    """List the snapshots, oldest first."""
    from localcloud import snapshots

    found = snapshots.saved(directory)
    notes = [] if found else ["none; save one: localcloud snapshot save NAME"]
    return Answer([one.data() for one in found], _snapshot_table(found), notes)


def delete(name: NameArgument, directory: DirectoryOption = DIRECTORY, yes: YesOption = False) -> Answer:
    """Delete a snapshot; asks before that."""
    from localcloud import snapshots

    _insist(f"Delete the snapshot {name!r}?", yes, "localcloud snapshot list")
    snapshots.delete(directory, name)
    return Answer({"name": name, "status": "deleted"}, notes=["deleted"])


def deploy(
    stack: StackOption = "local", project: ProjectOption = Path(), directory: DirectoryOption = DIRECTORY
) -> Answer:
    """Deploy a Pulumi project written in Python on the cloud, without the Pulumi CLI."""
    from localcloud import control, engine

    variables = control.running(directory).environment()
    with _interruptible(directory):
        made = engine.deploy(project, stack, environment=variables, on_event=_tell, on_message=say)
    return _deployed(made)


def destroy(
    stack: StackOption = "local", project: ProjectOption = Path(), directory: DirectoryOption = DIRECTORY
) -> Answer:
    """Delete every resource that `deploy` made."""
    from localcloud import control, engine

    variables = control.running(directory).environment()
    with _interruptible(directory):
        made = engine.destroy(project, stack, environment=variables, on_event=_tell)
    return _deployed(made)


def _app() -> typer.Typer:
    made = typer.Typer(
        help="AWS on this machine for tests, without Docker and without an account.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    commands: dict[str, Callable[..., Answer]] = {
        "up": up, "stop": stop, "down": down, "status": status, "env": env, "deploy": deploy, "destroy": destroy,
    }  # fmt: skip
    for name, function in commands.items():
        add(made, name, function)
    clock = typer.Typer(
        name="clock", help="The cloud's time, by which schedules and alarms live.", no_args_is_help=True
    )
    add(clock, "advance", advance)
    made.add_typer(clock)
    snapshot = typer.Typer(name="snapshot", help="Saved states of the cloud, to come back to.", no_args_is_help=True)
    commands = {"save": save, "restore": restore, "list": list_saved, "delete": delete}
    for name, function in commands.items():
        add(snapshot, name, function)
    made.add_typer(snapshot)
    return made


app = _app()


def _make(directory: Path) -> None:
    """Make the cloud's folder, which git shall not see."""
    if not directory.exists():
        directory.mkdir(parents=True)
        (directory / ".gitignore").write_text("*\n")


def _stopped(was_running: bool) -> str:
    return "stopped; nothing of it runs any more" if was_running else "no local cloud runs here"


def _insist(question: str, yes: bool, instead: str) -> None:
    """Go on if a person says so; a script must say ``--yes``."""
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise CommandFailed(
            "not_confirmed",
            f"{question} There is no terminal to ask at, so nothing was done",
            "say --yes to do it",
            instead,
            exit_code=5,
        )
    typer.confirm(question, abort=True, err=True)


@contextmanager
def _interruptible(directory: Path) -> Iterator[None]:
    from localcloud import control

    try:
        with control.interruptible(directory, on_stop=lambda: say("stopping the local cloud")):
            yield
    except control.Interrupted as error:
        if error.runs_on:
            message, step = "the local cloud runs on; what was under way on it may be half done", "localcloud status"
        else:
            message, step = "nothing runs: the local cloud that was started here was stopped", "localcloud up"
        raise CommandFailed("Interrupted", message, step, exit_code=INTERRUPTED) from None


def _tell(event: ResourceEvent) -> None:
    if event.status != "started" and event.operation != "same":
        say(f"{event.status:<6} {event.operation} {event.type} {event.name}")


def _deployed(made: Deployment) -> Answer:
    outputs: dict[str, Any] = dict(made.outputs)
    changes = ", ".join(f"{count} {kind}" for kind, count in made.changes.items() if kind != "same" and count)
    width = max(map(len, outputs), default=0)
    return Answer(
        {"status": "done", "changes": dict(made.changes), "outputs": outputs},
        "\n".join(f"{name:<{width}}  {value}" for name, value in sorted(outputs.items())),
        [changes or "nothing changed"],
    )


def _snapshot_table(found: list[Snapshot]) -> str:
    from localcloud import control

    width = max((len(one.name) for one in found), default=0)
    return "\n".join(
        f"{one.name:<{width}}  {one.saved_at:%Y-%m-%d %H:%M:%S}  {control.as_size(one.size):>12}" for one in found
    )
