"""`headwater init` and `headwater check`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from headwater.cli.command import command
from headwater.cli.output import Answer, table

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from headwater.scaffold import Scaffold


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "init")(init)
    command(app, "check")(check)


def init(
    model: Annotated[str, typer.Argument(help="Name, such as house_price.", show_default=False)],
    task: Annotated[
        Literal["classification", "regression"], typer.Option("--task", "-t", help="What the model answers with.")
    ] = "regression",
) -> Answer:
    """Write a new model product that passes its own checks, to be edited into your own."""
    from headwater.project import project
    from headwater.scaffold import write

    root = project()
    made = write(root, model, task)
    files = [str(path.relative_to(root)) for path in made.files]
    data = {"model": made.model, "source": made.source, "files": files, "next": next_steps(made, root)}
    return Answer(data, lambda console: _show_scaffold(console, files, data["next"]))


def next_steps(made: Scaffold, root: Path) -> list[str]:
    """The commands from a new product to its first prediction."""
    return [
        "headwater check",
        "headwater local up",
        f"headwater upload {made.source} {made.sample.relative_to(root)} --wait",
        f"headwater pipeline start {made.model} --watch",
        f"headwater predict {made.model} --input '{json.dumps(made.request)}'",
    ]


def check() -> Answer:
    """Check every model product: names, keys, contracts, queries, leaks. Needs no cloud."""
    from headwater.checking import checked_catalog

    catalog = checked_catalog()
    data = {
        "sources": sorted(catalog.sources),
        "views": sorted(catalog.views),
        "models": sorted(catalog.models),
    }
    rows = [(kind, len(names), ", ".join(names)) for kind, names in data.items()]
    return Answer(data, lambda console: console.print(table(("all well", "", ""), rows)))


def _show_scaffold(console: Console, files: list[str], steps: object) -> None:
    console.print("Written:")
    for file in files:
        console.print(f"  {file}", markup=False)
    console.print(
        "\nIt works as it is, on a sample of houses. Edit product.py, contracts.py, train.py and\n"
        "sample.csv (its test learns from it), then:"
    )
    for step in steps if isinstance(steps, list) else ():
        console.print(f"  {step}", markup=False, style="bold")
