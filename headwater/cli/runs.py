"""`headwater train` and `headwater runs`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.command import StackOption, YesOption, commands, connect, group
from headwater.cli.output import Answer, answered, confirm, note, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from headwater.client.runs import Run
    from headwater.client.stack import Stack

TimeoutOption = Annotated[float, typer.Option("--timeout", help="Seconds to wait.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    commands(app, train)
    runs = group("runs", "Training runs: from pinned data to a promoted model.", app)
    commands(runs, list_runs, watch, stop)


def train(
    model: Annotated[str, typer.Argument(help="Model to train.")],
    follow: Annotated[bool, typer.Option("--watch", "-w", help="Follow it to its end.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why, kept with the run.")] = "by hand",
    timeout: TimeoutOption = 3600,
    stack: StackOption = None,
) -> Answer:
    """Train a model: start a run from data that is pinned now to a promoted version."""
    from headwater.client.starting import starting

    cloud = connect(stack)
    with starting("command", "headwater train"):
        run = cloud.train(model, reason=reason)
    note(f"run {run.id} of {model} started")
    if follow:
        return _follow(cloud, run.id, timeout)
    note(f"next: headwater runs watch {run.id}")
    return Answer(run)


def watch(
    run: Annotated[str, typer.Argument(help="Run's id, as train and list give it.")],
    timeout: TimeoutOption = 3600,
    stack: StackOption = None,
) -> Answer:
    """Follow a run to its end; exits 1 if it failed and 5 if its model was rejected by a gate."""
    return _follow(connect(stack), run, timeout)


def list_runs(
    model: Annotated[str | None, typer.Argument(help="Only this model's.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many, the newest first.")] = 20,
    stack: StackOption = None,
) -> Answer:
    """List training runs, the newest first."""
    return answered(connect(stack).runs.list(model, limit=limit), _show)


def stop(
    run: Annotated[str, typer.Argument(help="Run's id, as train and list give it.")],
    why: Annotated[str, typer.Option("--why", help="Kept with the run, beside your name.")] = "",
    yes: YesOption = False,
    stack: StackOption = None,
) -> Answer:
    """Stop a training run, its container too; nothing of it is registered."""
    from headwater.cli.interrupts import goes_on

    cloud = connect(stack)
    confirm(f"Stop run {run}?", yes)
    with goes_on(f"run {run} is being stopped", next_steps=["headwater runs list"]):
        stopped = cloud.runs.stop(run, why=why)
    note(f"run {stopped.id} of {stopped.model} is {stopped.status.lower()}; what served before serves on")
    return Answer(stopped, lambda console: _show(console, [stopped]))


def _follow(cloud: Stack, run_id: str, timeout: float) -> Answer:
    """A line a state as it is entered; rejection by a gate is an answer that scripts must notice."""
    from headwater.cli.interrupts import goes_on
    from headwater.cli.progress import Stages
    from headwater.client.runs import Rejected

    steps = [f"headwater runs watch {run_id}", f"headwater runs stop {run_id}"]
    with (
        goes_on(f"run {run_id} goes on in the cloud", next_steps=steps),
        Stages().stage("run", f"run {run_id}") as stage,
    ):
        run = cloud.runs.watch(run_id, timeout=timeout, on_step=stage.update)
        stage.update(f"{run.status.lower()}{f', version {run.version}' if run.version else ''}")
    if run.rejected:
        raise Rejected(run, cloud.models.show(run.model, run.version).reasons)
    return Answer(run, lambda console: _show(console, [run]))


def _show(console: Console, runs: Sequence[Run]) -> None:
    if not runs:
        note("no model was trained yet; next: headwater train MODEL --watch")
        return
    rows = [
        (run.id, run.model, run.status, f"version {run.version}" if run.version else "", run.started_at,
         "" if run.seconds is None else f"{run.seconds:.1f} s")
        for run in runs
    ]  # fmt: skip
    console.print(table(("run", "model", "status", "outcome", "started (UTC)", "took"), rows))
    for run in runs:
        for warning in run.warnings:
            console.print(f"{run.id}: {warning}; version {run.version} isn't promoted by itself")
        if run.cause:
            console.print(f"{run.id}: {run.cause}", soft_wrap=True)
