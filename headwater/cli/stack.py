"""`headwater stack`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from headwater.cli.command import StackOption, command, connect
from headwater.cli.output import Answer, table

if TYPE_CHECKING:
    from rich.console import Console


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "stack")(show)


def show(stack: StackOption = None) -> Answer:
    """Show a stack's description: the version that deployed it, its products, its resources."""
    import headwater

    told = connect(stack).description
    data = {**told.model_dump(mode="json"), "client_version": headwater.__version__}

    def show_facts(console: Console) -> None:
        rows = [
            (name, ", ".join(value) if isinstance(value, list) else str(value))
            for name, value in data.items()
            if value not in (None, "")
        ]
        console.print(table(("stack", told.name), rows))

    return Answer(data, show_facts)
