"""`headwater predictions`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwater.cli.command import StackOption, commands, connect, group
from headwater.cli.output import Answer, answered, note, table
from headwater.cli.times import time_with_zone

if TYPE_CHECKING:
    from rich.console import Console

_SHOWN = ("received_at", "prediction_id", "version", "alias", "output", "missing_features")


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    predictions = group("predictions", "The prediction log: what models were asked, and what they answered.", app)
    commands(predictions, list_predictions)


def list_predictions(
    model: Annotated[str, typer.Argument(help="Model that served.")],
    since: Annotated[
        str, typer.Option("--since", help="First moment, ISO 8601 with its time zone, such as 2026-03-01T12:00Z.")
    ],
    until: Annotated[
        str | None, typer.Option("--until", help="First moment that is no longer asked about; by default now.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="The most that are listed.")] = 50,
    stack: StackOption = None,
) -> Answer:
    """List logged predictions, oldest first; --json has inputs and features too, as they were logged."""
    first = time_with_zone(since, "--since")
    last = time_with_zone(until, "--until") if until is not None else datetime.now(UTC)
    cloud = connect(stack)
    logged = cloud.predictions(model, first, last)
    rows: list[dict[str, Any]] = []
    more = False
    for frame in logged:
        some = frame.head(limit - len(rows) + 1)
        rows += [dict(zip(some.columns, row, strict=True)) for row in some.itertuples(index=False)]
        if more := len(rows) > limit:
            break
    found = [_plain(row) for row in rows[:limit]]
    span = f"from {first.isoformat()} to {last.isoformat()}"
    if not found:
        note(f"no prediction of {model} was logged {span}")
    elif more:
        note(f"the first {limit:,} are listed; {logged.count():,} were logged {span}. More: --limit")
    for reason in logged.torn:
        note(f"a record can't be read: {reason}")
    return answered(found, _show)


def _show(console: Console, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    import json

    shown = [
        tuple(", ".join(json.loads(row[name])) if name == "missing_features" else row[name] for name in _SHOWN)
        for row in rows
    ]
    columns = tuple(name.replace("_", " ") for name in _SHOWN)
    console.print(table(columns, shown, whole=("prediction id",)))


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A frame's row as JSON holds it: times of Python's own, and None where there is nothing."""
    return {
        name: value.to_pydatetime() if hasattr(value, "to_pydatetime") else None if value != value else value
        for name, value in row.items()
    }
