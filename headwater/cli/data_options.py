"""Arguments, options and answers that the commands of `headwater data` share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.command import connect
from headwater.cli.output import Answer, note

if TYPE_CHECKING:
    from headwater.versions.dataset import Dataset
    from headwater.versions.writing import Committed

DatasetArgument = Annotated[str, typer.Argument(help="Dataset's name.")]
RevisionArgument = Annotated[
    str, typer.Argument(help="Branch, tag, commit's first digits, main~2 or main@{2026-11-01}.", show_default=False)
]
PathArgument = Annotated[str, typer.Argument(help="Path in the dataset.")]
BranchOption = Annotated[str, typer.Option("--branch", "-b", help="Branch to work on.")]
MessageOption = Annotated[str, typer.Option("--message", "-m", help="The commit's message.")]
MetaOption = Annotated[list[str] | None, typer.Option("--meta", help="Text kept with the commit, as key=value.")]
LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, help="Show that many at most.")]


def dataset(name: str, stack: str | None) -> Dataset:
    """A dataset of the stack that is meant."""
    return connect(stack).data.dataset(name)


def author() -> str:
    """The author of commits: this machine's user."""
    import getpass

    return getpass.getuser()


def texts(given: list[str] | None) -> dict[str, str]:
    """``key=value`` options as a mapping."""
    found = {}
    for one in given or []:
        key, equals, value = one.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"--meta {one!r}: expected key=value")
        found[key] = value
    return found


def committed(done: Committed, branch: str) -> Answer:
    """The answer of a command that moved a branch."""
    note(f"{branch} points at {done.id[:12]} now: {done.commit.message}")
    if done.conflicts:
        note(f"{len(done.conflicts)} paths in conflict were decided by the strategy: {', '.join(done.conflicts[:5])}")
    return Answer({"commit": done.id, "branch": branch, "conflicts": list(done.conflicts), **done.commit.model_dump()})
