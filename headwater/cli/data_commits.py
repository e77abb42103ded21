"""`headwater data`: what makes a commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwater.cli.command import StackOption
from headwater.cli.data_options import (
    BranchOption,
    DatasetArgument,
    FolderArgument,
    MessageOption,
    MetaOption,
    RevisionArgument,
    author,
    dataset,
)
from headwater.cli.output import Answer, note
from headwater.cli.progress import counting

if TYPE_CHECKING:
    from headwater.versions.writing import Committed


def commit(
    name: DatasetArgument,
    message: MessageOption,
    branch: BranchOption = "main",
    meta: MetaOption = None,
    allow_empty: Annotated[bool, typer.Option("--allow-empty", help="Commit even if nothing changed.")] = False,
    stack: StackOption = None,
) -> Answer:
    """Commit the changes in the branch's staging area in S3, which `headwater data status` shows."""
    kept = _texts(meta)
    with counting("listing") as progress:
        done = dataset(name, stack).commit(
            message, branch=branch, meta=kept, author=author(), allow_empty=allow_empty, progress=progress
        )
    return _committed(done, branch)


def upload(
    name: DatasetArgument,
    folder: FolderArgument,
    message: MessageOption,
    branch: BranchOption = "main",
    delete: Annotated[bool, typer.Option("--delete", help="Take out what the folder lacks.")] = False,
    meta: MetaOption = None,
    stack: StackOption = None,
) -> Answer:
    """Commit a folder's files to a branch; those it has already aren't sent."""
    kept = _texts(meta)
    with counting("uploading") as progress:
        done = dataset(name, stack).upload(
            folder, message, branch=branch, delete=delete, meta=kept, author=author(), progress=progress
        )
    return _committed(done, branch)


def import_prefix(
    name: DatasetArgument,
    uri: Annotated[str, typer.Argument(help="s3://bucket/folder, of a bucket with versions.")],
    message: MessageOption,
    branch: BranchOption = "main",
    meta: MetaOption = None,
    stack: StackOption = None,
) -> Answer:
    """Commit the objects under a prefix without copying them; a second call commits the changes there."""
    kept = _texts(meta)
    with counting("listing") as progress:
        done = dataset(name, stack).import_prefix(
            uri, message, branch=branch, meta=kept, author=author(), progress=progress
        )
    return _committed(done, branch)


def revert(
    name: DatasetArgument,
    revision: RevisionArgument,
    branch: BranchOption = "main",
    message: MessageOption = "",
    stack: StackOption = None,
) -> Answer:
    """Undo the changes of one commit, in a new commit."""
    return _committed(dataset(name, stack).revert(revision, branch=branch, message=message, author=author()), branch)


def merge(
    name: DatasetArgument,
    source: Annotated[str, typer.Argument(help="Branch or other revision to bring in.")],
    into: Annotated[str, typer.Option("--into", help="Branch that takes it.")] = "main",
    strategy: Annotated[
        str | None, typer.Option("--strategy", help="Whose version wins a conflict: ours (--into) or theirs.")
    ] = None,
    message: MessageOption = "",
    stack: StackOption = None,
) -> Answer:
    """Merge a branch's changes into another branch; a path that both changed is a conflict."""
    from typing import cast

    if strategy not in {None, "ours", "theirs"}:
        raise typer.BadParameter(f"--strategy {strategy}: expected ours or theirs")
    done = dataset(name, stack).merge(
        source, into=into, strategy=cast("Any", strategy), message=message, author=author()
    )
    return _committed(done, into)


def _texts(given: list[str] | None) -> dict[str, str]:
    """``key=value`` options as a mapping."""
    found = {}
    for one in given or []:
        key, equals, value = one.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"--meta {one!r}: expected key=value")
        found[key] = value
    return found


def _committed(done: Committed, branch: str) -> Answer:
    """The answer of a command that moved a branch."""
    note(f"{branch} points at {done.id[:12]} now: {done.commit.message}")
    if done.conflicts:
        note(f"{len(done.conflicts)} paths in conflict were decided by the strategy: {', '.join(done.conflicts[:5])}")
    return Answer({"commit": done.id, "branch": branch, "conflicts": list(done.conflicts), **done.commit.model_dump()})
