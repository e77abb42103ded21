"""`headwater upload` and `headwater ingestions`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwater.cli.command import StackOption, commands, connect, group
from headwater.cli.output import Answer, answered, note, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from headwater.client.ingestions import IngestionView, SentFile
    from headwater.lake.types import Ingestion

SHOWN_REASONS = 3
SHORT = 12
"""Letters of an id that are shown."""
NOWHERE = "(no source)"
"""The source that is shown for files outside every source's folder."""


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    commands(app, upload)
    ingestions = group("ingestions", "Ingestions of uploaded files.", app)
    commands(ingestions, list_ingestions, show_ingestion, quarantine)


def upload(
    source: Annotated[str, typer.Argument(help="Source that a product declares.")],
    files: Annotated[list[Path], typer.Argument(help="CSV, Parquet or JSON lines.")],
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait until they are ingested.")] = False,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds to wait, for all files together.")] = 900,
    stack: StackOption = None,
) -> Answer:
    """Upload files; their ingestion starts by itself."""
    import time

    from headwater.cli.interrupts import Interrupted, goes_on
    from headwater.client.errors import BadUpload, IngestionFailed
    from headwater.lake.errors import FileRefused

    # Before the first one is sent: half an upload is hard to think about.
    if missing := [str(path) for path in files if not path.is_file()]:
        raise BadUpload(f"no such file (a folder is none): {', '.join(missing)}")
    cloud = connect(stack)
    sent: list[SentFile] = []
    try:
        for path in files:
            sent.append(cloud.upload(source, path))
            note(f"uploaded {path} to s3://{sent[-1].bucket}/{sent[-1].key}")
    except KeyboardInterrupt:
        raise Interrupted(
            f"{len(sent)} of {len(files)} files were uploaded; their ingestion goes on in the cloud",
            next_steps=[f"headwater ingestions list {source}"],
        ) from None
    if not wait:
        note(f"next: headwater ingestions list {source}")
        return Answer(sent)
    deadline = time.monotonic() + timeout
    uploaded = f"{len(sent)} uploaded files" if len(sent) > 1 else f"uploaded file {sent[0].file}"
    with goes_on(
        f"the ingestion of the {uploaded} goes on in the cloud",
        next_steps=[f"headwater ingestions list {source}", f"headwater ingestions show {sent[-1].run_id[:SHORT]}"],
    ):
        done: list[Ingestion] = []
        failed: list[FileRefused | IngestionFailed] = []
        for entry in sent:
            try:
                done.append(cloud.ingestions.wait(entry, timeout=max(1.0, deadline - time.monotonic())))
            except (FileRefused, IngestionFailed) as error:
                failed.append(error)
    if len(failed) == 1 and not done:
        raise failed[0]
    if failed:
        for well in done:
            note(f"{well.file}: {well.rows_out:,} of {well.rows_in:,} rows ingested")
        # The others' fate counts too: one refused file must not hide what became of those after it.
        worst = next((error for error in failed if isinstance(error, IngestionFailed)), failed[0])
        raise type(worst)(
            f"{len(failed)} of {len(sent)} files weren't ingested:\n" + "\n".join(error.message for error in failed),
            next_steps=[*dict.fromkeys(step for error in failed for step in error.next_steps)],
        )
    return Answer([_data(entry) for entry in done], lambda console: _show(console, done))


def list_ingestions(
    source: Annotated[str | None, typer.Argument(help="Only this source's.")] = None,
    stack: StackOption = None,
) -> Answer:
    """List the ingestions of uploads, the newest first."""
    found = connect(stack).ingestions.list(source)
    return Answer([_data(entry) for entry in found], lambda console: _show(console, found))


NameArgument = Annotated[str, typer.Argument(help="An id that list shows, its first letters, or SOURCE/FILE.")]


def show_ingestion(name: NameArgument, stack: StackOption = None) -> Answer:
    """Show one upload's ingestion: why rows were rejected, with their values."""
    return answered(connect(stack).ingestions.show(name), _show_full)


def quarantine(
    name: NameArgument,
    to: Annotated[Path, typer.Option("--to", "-o", help="File to write: .csv, .parquet or .jsonl.")],
    stack: StackOption = None,
) -> Answer:
    """Write an upload's rejected rows to a file, as they landed, with their numbers and reasons."""
    count = connect(stack).ingestions.quarantine(name, to)
    note(f"wrote {count:,} row{'' if count == 1 else 's'} to {to}")
    return Answer({"path": str(to), "rows": count})


def _data(entry: Ingestion) -> dict[str, Any]:
    return entry.model_dump(mode="json", exclude={"upload"}) | {
        "id": entry.upload.id,
        "key": entry.upload.key,
        "version_id": entry.upload.version_id,
    }


def _show_full(console: Console, found: IngestionView) -> None:
    entry = found.ingestion
    limit = "" if found.limit is None else f" (limit {found.limit * 100:.4g}%)"
    facts = [
        ("id", found.id),
        ("source", entry.source or NOWHERE),
        ("file", entry.file),
        ("status", "SUPERSEDED" if entry.superseded else entry.status.value),
        *([("fetched by", f"collector {entry.collected.replace('#', ', batch ')}")] if entry.collected else ()),
        ("landed version", entry.upload.version_id),
        ("bytes", f"{entry.upload.size:,}"),
        ("rows in", f"{entry.rows_in:,}"),
        ("rows out", f"{entry.rows_out:,}"),
        ("rows rejected", f"{entry.rows_rejected:,}{limit}"),
        ("rows repeated", f"{entry.rows_repeated:,}"),
        ("definition", entry.definition),
        ("commit", entry.commit),
        ("at (UTC)", entry.at),
        *(
            (f"as of definition {again.definition}", f"{again.status.value}, {again.rows_out:,} rows")
            for again in found.made_again
        ),
    ]
    console.print(table(("ingestion", ""), facts))
    for reason in entry.reasons:
        console.print(reason, soft_wrap=True)
    if entry.reasons_left_out:
        console.print(f"and {entry.reasons_left_out:,} more rules")
    if found.rejected:
        console.print(table(("row", "why"), [(row.row, "; ".join(row.reasons)) for row in found.rejected]))
    if (hidden := found.quarantined - len(found.rejected)) > 0 and found.rejected:
        note(f"and {hidden:,} more rows")
    if found.unread:
        note(f"rows in quarantine aren't shown: {found.unread}")
    if found.quarantined:
        note(f"next: headwater ingestions quarantine {found.id[:SHORT]} --to rejected.csv")


def _show(console: Console, found: Sequence[Ingestion]) -> None:
    if not found:
        note("nothing was uploaded yet; next: headwater upload SOURCE FILE --wait")
        return
    rows = [
        (
            f"{entry.source or NOWHERE}/{entry.file}",
            entry.upload.id[:SHORT],
            "SUPERSEDED" if entry.superseded else entry.status.value,
            entry.rows_in,
            entry.rows_rejected,
            (entry.commit or "")[:SHORT],
        )
        for entry in found
    ]
    console.print(table(("file", "id", "status", "rows", "rejected", "commit"), rows))
    for entry in found:
        for reason in entry.reasons[:SHOWN_REASONS]:
            console.print(f"{entry.file}: {reason}", soft_wrap=True)
        if (hidden := len(entry.reasons) + entry.reasons_left_out - SHOWN_REASONS) > 0:
            more = f"{entry.file}: and {hidden} more: headwater ingestions show {entry.upload.id[:SHORT]}"
            console.print(more, soft_wrap=True)
