"""`headwater verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.command import StackOption, commands, connect
from headwater.cli.interrupts import goes_on
from headwater.cli.output import Answer, note, table

if TYPE_CHECKING:
    from rich.console import Console

    from headwater.client.verification import Report


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    commands(app, verify)


def verify(
    stack: StackOption = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave what was put into the stack there, until the next verification.")
    ] = False,
) -> Answer:
    """Try every capability and permission of a deployed stack with a small product of its own.

    Takes minutes and at most some cents. Exits with 1 if a check failed.
    """
    from headwater.cli.progress import Stages

    became = "stays until the next one" if keep else "was removed"
    with goes_on(
        f"the verification was broken off, and what it had put into the stack {became}",
        next_steps=["headwater verify, which removes what is left"],
    ):
        report = connect(stack).verify(keep=keep, follow=Stages().stage)
    data = report.model_dump(mode="json") | {"status": "passed" if report.passed else "failed"}
    return Answer(data, lambda console: show(console, report), exit_code=0 if report.passed else 1)


def show(console: Console, report: Report) -> None:
    """Print the table, the costs and what stays."""
    from rich.text import Text

    styles = {"ok": "green", "failed": "bold red", "skipped": "dim"}
    rows = [
        (entry.title, Text(entry.outcome.value, style=styles[entry.outcome.value]), entry.seconds, entry.detail)
        for entry in report.results
    ]
    console.print(table(("check", "outcome", "s", "what was seen, or why"), rows, whole=("outcome",)))
    costs = [(line.what, line.amount, f"{line.dollars:.6f}") for line in report.costs]
    console.print(table(("used, at most", "amount", "dollars"), costs))
    counts = {"ok": 0, "failed": 0, "skipped": 0}
    for entry in report.results:
        counts[entry.outcome.value] += 1
    console.print(
        f"{counts['ok']} checks of stack {report.stack} well, {counts['failed']} failed, {counts['skipped']} skipped, "
        f"in {report.seconds:.0f} s; at most ${report.dollars:.4f}"
    )
    note(f"Prices: {report.prices}")
    note("What was put there stays until the next verification" if report.kept else "What stays:")
    for what in () if report.kept else report.stays:
        note(f"  {what}")
