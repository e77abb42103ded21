"""`headwater upload` and `headwater ingestions`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwater.cli.command import StackOption, command, group
from headwater.cli.output import Answer, note, table

if TYPE_CHECKING:
    from rich.console import Console

    from headwater.lake.types import Ingestion

SHOWN_REASONS = 3


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "upload")(upload)
    command(group("ingestions", "What became of uploaded files.", app), "list")(list_ingestions)


def upload(
    source: Annotated[str, typer.Argument(help="Source that a product declares.", show_default=False)],
    files: Annotated[list[Path], typer.Argument(help="CSV, Parquet or JSON lines.", show_default=False)],
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait until they are ingested.")] = False,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds to wait, for all files together.")] = 900,
    stack: StackOption = None,
) -> Answer:
    """Upload files; their ingestion starts by itself."""
    import time

    import headwater
    from headwater.client.errors import BadUpload

    # Before the first one is sent: half an upload is hard to think about.
    if missing := [str(path) for path in files if not path.is_file()]:
        raise BadUpload(f"no such file (a folder is none): {', '.join(missing)}")
    cloud = headwater.connect(stack)
    sent = []
    for path in files:
        sent.append(cloud.upload(source, path))
        note(f"uploaded {path} to s3://{sent[-1].bucket}/{sent[-1].key}")
    if not wait:
        note(f"next: headwater ingestions list {source}")
        return Answer([entry.model_dump(mode="json") for entry in sent])
    deadline = time.monotonic() + timeout
    done = [cloud.wait(entry, timeout=max(1.0, deadline - time.monotonic())) for entry in sent]
    return Answer([_data(entry) for entry in done], lambda console: _show(console, done))


def list_ingestions(
    source: Annotated[str | None, typer.Argument(help="Only this source's.", show_default=False)] = None,
    stack: StackOption = None,
) -> Answer:
    """List what became of uploads, the newest first."""
    import headwater

    found = list(headwater.connect(stack).ingestions(source))
    return Answer([_data(entry) for entry in found], lambda console: _show(console, found))


def _data(entry: Ingestion) -> dict[str, Any]:
    return entry.model_dump(mode="json", exclude={"upload"}) | {"version_id": entry.upload.version_id}


def _show(console: Console, found: list[Ingestion]) -> None:
    if not found:
        note("nothing was uploaded yet; next: headwater upload SOURCE FILE --wait")
        return
    rows = [
        (
            entry.source,
            entry.file,
            entry.status.value,
            entry.rows_in,
            entry.rows_out,
            entry.rows_rejected,
            "superseded" if entry.superseded else (entry.commit or "")[:12],
            entry.at,
        )
        for entry in found
    ]
    columns = ("source", "file", "status", "rows in", "rows out", "rejected", "commit", "at (UTC)")
    console.print(table(columns, rows))
    for entry in found:
        for reason in entry.reasons[:SHOWN_REASONS]:
            console.print(f"{entry.file}: {reason}", markup=False)
        if (hidden := len(entry.reasons) - SHOWN_REASONS) > 0:
            console.print(f"{entry.file}: and {hidden} more, see --json", markup=False)
