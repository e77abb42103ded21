"""`headwater labels`."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.command import StackOption, commands, connect, group
from headwater.cli.output import Answer, answered, note, table
from headwater.cli.times import day_of, time_with_zone

if TYPE_CHECKING:
    from rich.console import Console

    from headwater.monitoring.labels.coverage import Coverage, WrittenLabel
    from headwater.monitoring.labels.uploading import UploadedLabels

_BAR = 40
"""Characters of a bar that stands for all predictions."""
_ModelArgument = Annotated[str, typer.Argument(help="Registered model.")]
_AsOf = Annotated[
    str | None, typer.Option("--as-of", help="As known then, ISO 8601 with its time zone; by default now.")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    labels = group("labels", "Labels: what really happened after predictions.", app)
    commands(labels, upload, list_labels, coverage)


def upload(
    model: _ModelArgument,
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV, JSON lines or Parquet: value, prediction_id or else as_of and the label keys; observed_at, "
            "source, write_id."
        ),
    ],
    stack: StackOption = None,
) -> Answer:
    """Write a file's labels down; one that is uploaded again changes nothing."""
    from headwater.cli.progress import Stages

    with Stages().stage("upload", "labels") as stage:
        found = connect(stack).labels.upload(
            model, file, progress=lambda done, rows: stage.update(f"{done:,} of {rows:,} labels")
        )
    return Answer(found, lambda console: _show_upload(console, found), exit_code=1 if found.refused else 0)


def list_labels(
    model: _ModelArgument,
    prediction: Annotated[
        str | None, typer.Option("--prediction", help="Those of one prediction: <request id>.<instance>.")
    ] = None,
    as_of: _AsOf = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="The newest so many.")] = 50,
    stack: StackOption = None,
) -> Answer:
    """List written labels with their corrections, in the order of their receipt."""
    found = connect(stack).labels.list(model, prediction=prediction, known=_known(as_of), limit=limit)
    if not found:
        note(f"no label of {prediction or model} was written{'' if as_of is None else f' by {as_of}'}")
    elif len(found) == limit:
        note(f"the newest {limit:,} are listed. More: --limit")
    return answered(found, _show_list)


def coverage(
    model: _ModelArgument,
    since: Annotated[str, typer.Option("--since", help="First day of the predictions' as_of, UTC: YYYY-MM-DD.")],
    until: Annotated[str, typer.Option("--until", help="Last day, UTC.")],
    as_of: _AsOf = None,
    stack: StackOption = None,
) -> Answer:
    """Show how many predictions have a label, how long labels took, and what is wrong with the others."""
    first, last = day_of(since, "--since"), day_of(until, "--until")
    return answered(connect(stack).labels.coverage(model, first, last, as_of=_known(as_of)), _show_coverage)


def _show_upload(console: Console, found: UploadedLabels) -> None:
    known = f", {found.known:,} were known" if found.known else ""
    console.print(f"{found.taken:,} labels of {found.rows:,} rows were taken{known}, {found.refused:,} were refused")
    for row in found.refused_rows:
        console.print(f"  row {row.row:,}: {row.reason}", soft_wrap=True)
    if found.refused > len(found.refused_rows):
        console.print("all rules that refused rows:")
        for reason in found.reasons:
            console.print(f"  {reason}", soft_wrap=True)


def _show_list(console: Console, found: tuple[WrittenLabel, ...]) -> None:
    if not found:
        return
    rows = [
        (one.received_at, one.prediction_id or f"{one.keys} {one.as_of:%Y-%m-%dT%H:%M:%SZ}", f"{one.value:g}",
         one.observed_at, one.source, "counts" if one.counts else "replaced")
        for one in found
    ]  # fmt: skip
    columns = ("received (UTC)", "prediction", "label", "observed (UTC)", "source", "now")
    console.print(table(columns, rows, whole=("label", "now")))


def _show_coverage(console: Console, found: Coverage) -> None:
    console.print(
        f"[bold]{found.model}[/bold] {found.since:%Y-%m-%d} to {found.until - timedelta(days=1):%Y-%m-%d}, known "
        f"{found.known:%Y-%m-%d %H:%M} UTC",
        markup=True,
    )
    if not found.predictions:
        console.print("no prediction was asked about then")
    else:
        _bars(console, found)
    for words, count in (
        ("labelled by two sources that differ", found.conflicts),
        ("labels were corrected", found.corrected),
        ("written labels were observed before the question, and don't count", found.early),
        ("written labels wait for their prediction", found.unmatched - found.expired),
        ("written labels waited 30 days without a prediction: expired", found.expired),
        ("batches of labels were deleted", found.deleted),
    ):
        if count:
            console.print(f"{count:>12,} {words}")


def _bars(console: Console, found: Coverage) -> None:
    """Bars of at most 80 characters a line: what is labelled, and since when."""
    rest = found.predictions - found.labelled - found.waiting - found.ambiguous - found.invalid
    for words, count in (
        ("labelled", found.labelled),
        ("waiting", found.waiting),
        ("ambiguous", found.ambiguous),
        ("no such label", found.invalid),
        ("nothing known", rest),
    ):
        if count or words == "labelled":
            console.print(_bar(words, count, found.predictions))
    if found.sources:
        console.print("from " + ", ".join(f"{name} {count:,}" for name, count in found.sources.items()))
    if found.classes:
        console.print("labels " + ", ".join(f"{name}: {count:,}" for name, count in found.classes.items()))
    if len(found.classes) == 1:
        console.print("all labels are of one class: no figure of performance follows from them")
    if found.delay_reason:
        console.print(f"no delay of labels is told: {found.delay_reason}", soft_wrap=True)
    elif found.delay:
        console.print("labelled, by the time after the window's end:")
    for point in () if found.delay_reason else found.delay:
        console.print(_bar(_words(point.after), point.labelled, found.predictions))


def _bar(words: str, count: int, of: int) -> str:
    filled = round(_BAR * count / of)
    # A bar is full or empty only if it is.
    filled = min(max(filled, int(count > 0)), _BAR - int(count < of))
    return f"{words:<14}{count:>12,} {100 * count / of:5.1f}% {'█' * filled}{'·' * (_BAR - filled)}"


def _words(after: timedelta) -> str:
    hours = int(after.total_seconds() // 3600)
    return f"after {hours} h" if hours < 24 else f"after {hours // 24} d"


def _known(text: str | None) -> datetime | None:
    return None if text is None else time_with_zone(text, "--as-of")
