"""`headwater data`: what moves or reads bytes, and gc."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from headwater.cli.command import StackOption, YesOption, connect
from headwater.cli.data_options import DatasetArgument, FolderArgument, PathArgument, RevisionArgument, dataset
from headwater.cli.output import Answer, confirm, listed, note
from headwater.cli.progress import counting


def checkout(
    name: DatasetArgument,
    revision: RevisionArgument,
    folder: FolderArgument,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that were changed since.")] = False,
    stack: StackOption = None,
) -> Answer:
    """Make a folder hold a commit's files; only what differs is fetched."""
    with counting("checking out") as progress:
        done = dataset(name, stack).checkout(folder, revision, force=force, progress=progress)
    note(f"{folder} holds {done.commit[:12]}: {done.written} written, {done.removed} removed, {done.kept} kept")
    return Answer(done._asdict())


def verify(
    name: DatasetArgument,
    revision: RevisionArgument = "main",
    read_bytes: Annotated[
        bool, typer.Option("--bytes", help="Read every object and don't rely on S3's checksums.")
    ] = False,
    stack: StackOption = None,
) -> Answer:
    """Name every file of a commit whose version is gone, changed or not readable; exits with 1 if there is one."""
    from headwater.errors import HeadwaterError

    data = dataset(name, stack)
    with counting("verifying") as progress:
        problems = list(data.verify(revision, read_bytes=read_bytes, progress=progress))
    if problems:
        named = [f"{problem.kind}: {problem.entry.path}: {problem.message}" for problem in problems]
        raise HeadwaterError("\n".join([f"{len(problems)} files of {revision} aren't as they were committed:", *named]))
    rows = data.tree(revision).rows
    note(f"all {rows:,} files are there as they were committed")
    return Answer({"files": rows, "problems": []})


def cat(
    name: DatasetArgument,
    path: PathArgument,
    revision: RevisionArgument = "main",
    stack: StackOption = None,
) -> Answer:
    """Print the bytes that a path has in a commit."""
    body = dataset(name, stack).read(path, revision)

    def show(_: object) -> None:
        sys.stdout.buffer.write(body)
        sys.stdout.flush()

    return Answer({"path": path, "bytes": len(body), "text": body.decode("utf-8", "replace")}, show)


def gc(
    run: Annotated[bool, typer.Option("--run", help="Delete; without it gc only counts.")] = False,
    yes: YesOption = False,
    stack: StackOption = None,
) -> Answer:
    """Count, and with --run delete, what no branch, tag or move of the last days leads to."""
    cloud = connect(stack)
    if run:
        confirm(f"Delete what nothing leads to in s3://{cloud.description.lake_bucket}, for ever?", yes)
    with counting("collecting") as progress:
        done = cloud.data.gc(dry_run=not run, progress=progress)
    note("deleted:" if run else "would be deleted; --run does it:")
    return listed(("commits", "roots", "ranges", "files"), [done[:4]], done._asdict())
