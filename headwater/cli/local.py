"""`headwater local`: AWS on this machine, with this project deployed on it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from headwater.cli import local_snapshots
from headwater.cli.command import Engine, EngineOption, PortOption, YesOption, commands, connect, group, wants_json
from headwater.cli.output import Answer, answered, as_json, insist, note, table

if TYPE_CHECKING:
    from rich.console import Console

    from headwater.cli.local_stack import Up
    from headwater.client import Stack
    from headwater.client.logs import LogLine


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    local = group("local", "AWS on this machine, with this project deployed on it.", app)
    commands(local, up, status, stop, down, logs, env)
    local_snapshots.add_to(local)
    commands(group("clock", "The local cloud's time, by which schedules and alarms live.", local), advance)


def up(
    port: PortOption = None,
    engine: EngineOption = Engine.EMBEDDED,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Look at every resource first, and put right what was changed by hand.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Run the program although nothing that it could read has changed.")
    ] = False,
) -> Answer:
    """Start the local cloud and deploy this project; if it runs, deploy what has changed."""
    from headwater.cli.local_stack import bring_up, interruptible
    from headwater.cli.progress import Stages
    from headwater.project import home, project

    stages = Stages()
    with interruptible(home()):
        made = bring_up(stages, project(), home(), port, engine=engine, refresh=refresh, again=again)
    return Answer({**made.data(), "seconds": stages.seconds}, lambda console: _show_up(console, made))


def status() -> Answer:
    """Say whether the local cloud runs, where, what is on it and how much it keeps; exits 3 if it doesn't run."""
    from headwater.cli.local_stack import deployed_resources, running
    from headwater.client.description import LOCAL
    from headwater.project import home, project
    from localcloud import control

    seen = running(home())
    deployed = deployed_resources(project(), seen)
    facts = {
        **control.facts(seen),
        "stack": LOCAL if deployed else None,
        "resources": len(deployed),
        "home": str(home()),
    }
    return answered(facts, _show_facts)


def stop() -> Answer:
    """Stop the local cloud and every process it started; the next `up` finds what was on it."""
    from localcloud.control import as_size

    from headwater.cli.local_stack import kept_bytes
    from headwater.cli.local_stack import stop as stop_cloud
    from headwater.project import home

    was_running = stop_cloud(home())
    kept = kept_bytes(home())
    note("stopped; nothing of it runs any more" if was_running else "no local cloud runs here")
    if kept is not None:
        note(f"kept: {as_size(kept)} in {home() / 'local' / 'state'}")
    return Answer({"status": "stopped", "was_running": was_running, "kept_bytes": kept})


def down(yes: YesOption = False) -> Answer:
    """Stop the local cloud, and forget for ever what was on it; asks before that, `stop` keeps it."""
    from localcloud.control import as_size

    from headwater.cli.local_stack import kept_bytes, take_down
    from headwater.project import home

    kept = kept_bytes(home())
    if kept is not None:
        insist(f"Forget everything on the local cloud ({as_size(kept)}), for ever?", yes, "headwater local stop")
    was_running = take_down(home())
    note("stopped; nothing of it runs any more" if was_running else "no local cloud runs here")
    if kept is not None:
        note("what was on it is forgotten")
    return Answer({"status": "stopped", "was_running": was_running, "forgotten_bytes": kept})


def env() -> Answer:
    """Print the variables that lead AWS clients and Pulumi to the local cloud: eval "$(headwater local env)"."""
    from headwater.cli.local_stack import environment, running
    from headwater.project import home
    from localcloud import control

    variables = environment(running(home()))
    return Answer(variables, lambda console: console.print(control.export_lines(variables), soft_wrap=True))


def advance(
    by: Annotated[str, typer.Argument(help="Such as 90s, 15m, 6h or 7d.")],
    settle_within: Annotated[
        str, typer.Option("--settle-within", help="How long each stop may wait for what was started.")
    ] = "2m",
    settle: Annotated[
        bool, typer.Option("--settle/--no-settle", help="Wait at each stop for what was started.")
    ] = True,
) -> Answer:
    """Move the local cloud's clock forward: schedules and alarms that fall due on the way happen.

    At each moment at which something falls due it waits until what was started has come to rest: invocations,
    executions, messages, deliveries, tasks. It says what it didn't wait for: what takes longer than --settle-within,
    and what waits by the machine's clock (a Wait state, a message that is tried again). A tick is skipped while the run
    of the one before is on. Ctrl-C leaves the clock on its way.
    """
    from headwater.cli.local_stack import advance_clock, duration
    from headwater.cli.progress import patiently
    from headwater.project import home
    from localcloud import control

    within = duration(settle_within).total_seconds() if settle else None
    with patiently("the clock moves", after=control.PATIENCE) as tell:
        move = advance_clock(home(), duration(by), settle_within=within, on_wait=tell)
    note(f"the local cloud's time is {move.now} now")
    for line in control.passed_in_words(move):
        note(line)
    return Answer({"now": move.now, "not_waited_for": move.passed})


def logs(
    context: typer.Context,
    function: Annotated[str | None, typer.Argument(help="Part of a function's, task's or machine's name.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    since: Annotated[str, typer.Option("--since", help="How far back, such as 90s, 15m, 6h or 7d.")] = "1h",
) -> Answer:
    """Print the logs of the deployed functions, tasks and machines."""
    from headwater.cli.local_stack import duration
    from headwater.client.description import LOCAL

    cloud = connect(LOCAL)
    start = time.time() - duration(since).total_seconds()
    found = cloud.logs.read(function, since=start)
    if not follow:
        return answered(found, _show_lines)
    try:
        _follow(cloud, function, found, since=start, as_lines_of_json=wants_json(context))
    except KeyboardInterrupt:
        # How following ends, as the option says: nothing was interrupted.
        note("\nstopped following")
        raise typer.Exit from None


def _follow(
    cloud: Stack, function: str | None, found: Sequence[LogLine], *, since: float, as_lines_of_json: bool
) -> NoReturn:
    from headwater.cli.output import data_console

    seen: set[str] = set()
    while True:
        fresh = [line for line in found if line.id not in seen]
        seen |= {line.id for line in fresh}
        if as_lines_of_json:
            for line in fresh:
                typer.echo(as_json(line))
        else:
            _show_lines(data_console(), fresh)
        time.sleep(1)
        # A line may come a little later than its own time says.
        found = cloud.logs.read(function, since=max(since, time.time() - 60))


def _show_up(console: Console, made: Up) -> None:
    console.print(table(("output", "value"), sorted(made.deployment.outputs.items())))
    for line in (
        "look at it:   headwater local status, headwater local logs --follow, headwater alarms list",
        "use it:       headwater upload SOURCE FILE --wait, headwater train MODEL --watch",
        'any AWS tool: eval "$(headwater local env)"; aws s3 ls; pulumi refresh -s local',
        "stop it:      headwater local stop (keeps everything), headwater local down (forgets it)",
    ):
        note(line)


def _show_facts(console: Console, facts: dict[str, object]) -> None:
    for name, fact in facts.items():
        console.print(f"{name:<11} {fact}")


def _show_lines(console: Console, lines: Sequence[LogLine]) -> None:
    for line in lines:
        console.print(f"[dim]{line.at:%H:%M:%S} {line.group}[/dim] ", end="", soft_wrap=True, markup=True)
        console.print(line.message, soft_wrap=True)
