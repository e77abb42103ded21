"""`headwater source`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.command import StackOption, YesOption, commands, connect, group
from headwater.cli.output import Answer, answered, confirm, note, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from headwater.client.sources import SourceView
    from headwater.lake.types import Reingestion

SourceArgument = Annotated[str, typer.Argument(help="Source that a product declares.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    source = group("source", "Sources: their definitions, and files of older ones.", app)
    commands(source, list_sources, show_source, reingest)


def list_sources(stack: StackOption = None) -> Answer:
    """List the declared sources, with the definition and the number of their files."""
    return answered(connect(stack).sources.list(), _show_all)


def show_source(name: SourceArgument, stack: StackOption = None) -> Answer:
    """Show a source's definitions and how many files are of each."""
    return answered(connect(stack).sources.show(name), _show_one)


def reingest(
    name: SourceArgument,
    since: Annotated[
        datetime | None,
        typer.Option("--since", help="Only files ingested at that time (UTC) or later; older ones stay unread."),
    ] = None,
    drop: Annotated[
        bool, typer.Option("--drop", help="Take the rows of files out that can't be made again; else nothing changes.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be made again.")] = False,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait until it is done.")] = False,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds to wait.")] = 7200,
    yes: YesOption = False,
    stack: StackOption = None,
) -> Answer:
    """Make files of an older definition again from landing; one commit switches the source over."""
    from headwater.cli.interrupts import goes_on
    from headwater.cli.progress import Stages

    cloud = connect(stack)
    if drop and not dry_run:
        confirm(f"Take the rows of files of {name} out that can't be made again?", yes)
    started = cloud.sources.reingest(name, since=since, drop=drop, dry_run=dry_run)
    note(f"run {started.run_id} started")
    if not (wait or dry_run):
        note(f"next: headwater source show {name}")
        return Answer(started)
    again = f"headwater source reingest {name} --wait waits for it, or does what is left"
    with (
        goes_on(
            f"reingestion {started.run_id} goes on in the cloud; readers see the older files until it is done",
            next_steps=[f"headwater source show {name}", again],
        ),
        Stages().stage("reingest", f"reingest {name}") as stage,
    ):
        done = cloud.sources.wait(started, timeout=timeout)
        stage.update(f"{done.status.value.lower()}: {done.files:,} files")
    return answered(done, _show_done)


def _show_all(console: Console, found: Sequence[SourceView]) -> None:
    rows = [
        (entry.name, entry.definition or "", sum(entry.files.values()), entry.older, entry.size) for entry in found
    ]  # fmt: skip
    console.print(table(("source", "definition", "files", "of older ones", "bytes"), rows))
    for entry in found:
        if entry.older:
            note(f"next: headwater source reingest {entry.name} --dry-run")


def _show_one(console: Console, found: SourceView) -> None:
    known = {entry.digest: entry for entry in found.definitions}
    rows = [
        (digest, known[digest].at if digest in known else None, found.files.get(digest, 0),
         "last used" if digest == found.definition else "")
        for digest in dict.fromkeys([*known, *found.files])
    ]  # fmt: skip
    console.print(table(("definition", "first used (UTC)", "files", ""), rows, title=found.name))
    if found.definition:
        newest = known[found.definition]
        declared = [(name, value) for name, value in newest.declared.items() if name != "name"]
        console.print(table(("as last used", "value"), [(name, str(value)) for name, value in declared]))
        console.print(table(("column", "contract"), list(newest.columns.items())))
    if found.older:
        note(f"{_files(found.older)} of an older definition; next: headwater source reingest {found.name} --dry-run")
    else:
        note(
            "a definition that was deployed since is known from its first file on; "
            f"headwater source reingest {found.name} --dry-run looks for files of older ones now"
        )


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"


def _show_done(console: Console, done: Reingestion) -> None:
    # A dry run made nothing: it knows of no rows afterwards.
    after = "-" if done.status.value == "PLANNED" else f"{done.rows_after:,}"
    rows = [
        (done.source, done.status.value, done.files, f"{done.rows_before:,}", after, (done.commit or "")[:12]),
    ]
    console.print(table(("source", "outcome", "files", "rows before", "rows after", "commit"), rows))
    for kind, notes in (("refused", done.refused), ("gone", done.gone)):
        for entry in notes:
            console.print(f"{kind}: {entry.file}: {entry.note}", soft_wrap=True)
    if (hidden := done.lost - len(done.refused) - len(done.gone)) > 0:
        console.print(f"and {hidden:,} more")
    if done.still_refused:
        console.print(f"{done.still_refused:,} files were refused before and are again")
    if done.older:
        note(f"left: {_files(done.older)} of an older definition")
