"""All commands. The modules here import nothing heavy: what a command needs it imports when it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from headwater import __version__
from headwater.cli import (
    alarms,
    bootstrap,
    collect,
    data,
    demo,
    features,
    feedback,
    infra,
    ingestions,
    labels,
    lineage,
    local,
    models,
    monitor,
    predict,
    predictions,
    products,
    retrain,
    runs,
    schedule,
    sources,
    stack,
    verify,
)

app = typer.Typer(
    name="headwater",
    help="A whole ML platform for AWS that is one Pulumi program; it runs on this machine too.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


for part in (
    demo,
    local,
    bootstrap,
    ingestions,
    sources,
    runs,
    models,
    features,
    data,
    predict,
    monitor,
    feedback,
    predictions,
    labels,
    infra,
    lineage,
    schedule,
    collect,
    retrain,
    alarms,
    products,
    stack,
    verify,
):
    part.add_to(app)
