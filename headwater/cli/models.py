"""`headwater models`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.command import StackOption, YesOption, command, commands, connect, group
from headwater.cli.output import Answer, answered, confirm, listed, note

if TYPE_CHECKING:
    from headwater.registry.types import AliasMove

ModelArgument = Annotated[str, typer.Argument(help="Model's name.")]
AliasOption = Annotated[str, typer.Option("--alias", "-a", help="Alias to move.")]
WhyOption = Annotated[str, typer.Option("--why", help="Reason, kept in the alias's log.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    models = group("models", "Registered models and which version of each serves.", app)
    commands(models, list_models, show_model, promote, rollback)
    command(models, "training-set")(training_set)


def list_models(stack: StackOption = None) -> Answer:
    """List the registered models."""
    found = connect(stack).models.list()
    rows = [
        (
            entry.model,
            f"version {entry.production}" if entry.production else "none",
            entry.versions,
            entry.newest_status + (", possible leak" if entry.newest_warnings else ""),
            ", ".join(f"{name} {value:.4f}" for name, value in sorted(entry.metrics.items())),
            entry.registered_at,
        )
        for entry in found
    ]
    columns = ("model", "serves", "versions", "newest", "metrics", "registered (UTC)")
    return listed(columns, rows, found, nothing="no model was trained yet; next: headwater train MODEL --watch")


def show_model(
    model: ModelArgument,
    version: Annotated[int | None, typer.Option("--version", "-v", help="By default the one that serves.")] = None,
    stack: StackOption = None,
) -> Answer:
    """Show a version's card: its metrics beside the champion's, its gates, and where it came from."""
    from headwater.cli.render.model_card import show_card

    return answered(connect(stack).models.show(model, version), show_card)


def promote(
    model: ModelArgument,
    version: Annotated[int, typer.Argument(help="Version that is to serve.")],
    alias: AliasOption = "production",
    why: WhyOption = "",
    yes: YesOption = False,
    stack: StackOption = None,
) -> Answer:
    """Let an alias point at a version: one write, and warm functions follow within seconds."""
    cloud = connect(stack)
    confirm(f"Point {model}@{alias} of stack {cloud.description.name!r} at version {version}?", yes)
    return _moved(cloud.models.promote(model, version, alias=alias, why=why))


def rollback(
    model: ModelArgument, alias: AliasOption = "production", yes: YesOption = False, stack: StackOption = None
) -> Answer:
    """Point an alias back at the version before its last move; a second time undoes the first."""
    cloud = connect(stack)
    confirm(f"Point {model}@{alias} of stack {cloud.description.name!r} back at the version before?", yes)
    return _moved(cloud.models.rollback(model, alias=alias))


def training_set(
    model: ModelArgument,
    version: Annotated[int, typer.Argument(help="Version whose table is wanted.")],
    to: Annotated[Path, typer.Option("--to", help="Parquet file to write; replaced if there is one.")],
    stack: StackOption = None,
) -> Answer:
    """Make the table that a version learnt from again, from the commits that it pinned, byte for byte."""
    made = connect(stack).models.training_set(model, version, to)
    note(f"{to}: the bytes that version {version} of {model} learnt from (sha256 {made.sha256})")
    return Answer({"model": model, "version": version, "file": str(to), "sha256": made.sha256})


def _moved(move: AliasMove) -> Answer:
    before = f"version {move.before}" if move.before else "nothing"
    note(f"{move.model}@{move.alias} points at version {move.to} now, before at {before}")
    return Answer(move)
