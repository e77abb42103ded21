"""`headwater new`, `init`, `check` and `lock`: a project, its products, and what they need."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from headwater.cli.command import commands
from headwater.cli.output import Answer, listed
from headwater.errors import InvalidRequest
from headwater.project import make_importable, project

if TYPE_CHECKING:
    from rich.console import Console

    from headwater.templates import Scaffold


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    commands(app, new, init, check, lock)


def new(
    name: Annotated[str, typer.Argument(help="Name, such as shop: every name on AWS begins with it.")],
    folder: Annotated[Path | None, typer.Option("--folder", help="Where to write it. [default: ./NAME]")] = None,
) -> Answer:
    """Write a new project: the Pulumi program, stacks, tests, a workflow for CI."""
    from headwater.templates import write_project

    made = write_project(folder or Path(name), name)
    files = [str(path.relative_to(made.root)) for path in made.files]
    steps = [f"cd {shlex.quote(str(made.root))}", "headwater init PRODUCT --from FILE.csv", "headwater local up"]
    data = {"project": made.name, "folder": str(made.root), "files": files, "next": steps}
    return Answer(data, lambda console: _show_written(console, f"Written into {made.root}:", files, steps))


def lock() -> Answer:
    """Pin the packages that this project adds to training and to the functions that read its products."""
    from headwater.locks.compiling import compile_locks

    root = project()
    made = {name: str(path.relative_to(root)) if path else None for name, path in compile_locks(root).items()}
    rows = [(name, path or "adds nothing") for name, path in made.items()]
    return listed(("group", "lock"), rows, made)


def init(
    model: Annotated[str, typer.Argument(help="Name, such as house_price.")],
    task: Annotated[
        Literal["classification", "regression"] | None,
        typer.Option("--task", "-t", help="The kind of answer; --from finds it by the label. [default: regression]"),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--from", help="A CSV file of yours to declare, instead of houses.")
    ] = None,
    label: Annotated[
        str | None, typer.Option("--label", help="Of --from, the column to predict. [default: the last that can be]")
    ] = None,
) -> Answer:
    """Write a new model product that passes its own checks, to be edited into your own."""
    from headwater.templates import write, write_from

    root = project()
    if file is None:
        if label is not None:
            raise InvalidRequest("--label names a column of a file: pass --from FILE with it")
        made = write(root, model, task or "regression")
        upload: Path = made.sample.relative_to(root)
        told = ["It works as it is, on a sample of houses."]
    elif task is not None:
        raise InvalidRequest("--task is for a product of houses: --from finds the kind of answer by the label")
    else:
        made, guess = write_from(root, model, file, label)
        upload, told = file, guess.told()
    files = [str(path.relative_to(root)) for path in made.files]
    steps = next_steps(made, upload)
    data = {"model": made.model, "source": made.source, "files": files, "told": told, "next": steps}
    return Answer(data, lambda console: _show_scaffold(console, files, told, steps))


def next_steps(made: Scaffold, upload: Path) -> list[str]:
    """The commands from a new product to its first prediction."""
    return [
        "headwater check",
        "headwater local up",
        f"headwater upload {made.source} {shlex.quote(str(upload))} --wait",
        f"headwater train {made.model} --watch",
        f"headwater predict {made.model} --input {shlex.quote(json.dumps(made.request, ensure_ascii=False))}",
    ]


def check() -> Answer:
    """Check every model product: names, keys, contracts, queries, leaks. Needs no cloud."""
    from headwater.checking import checked_catalog

    make_importable(project())
    catalog = checked_catalog()
    data = {
        "sources": sorted(catalog.sources),
        "views": sorted(catalog.views),
        "models": sorted(catalog.models),
    }
    rows = [(kind, len(names), ", ".join(names)) for kind, names in data.items()]
    return listed(("all well", "", ""), rows, data)


def _show_scaffold(console: Console, files: list[str], told: list[str], steps: list[str]) -> None:
    _show_written(console, "Written:", files, ())
    console.print()
    for line in told:
        console.print(line)
    console.print("Edit product.py, contracts.py, train.py and sample.csv (its test learns from it), then:")
    for step in steps:
        console.print(f"  {step}", style="bold")


def _show_written(console: Console, head: str, files: Sequence[str], steps: Sequence[str]) -> None:
    console.print(head)
    for file in files:
        console.print(f"  {file}")
    for step in steps:
        console.print(f"  next: {step}", style="bold")
