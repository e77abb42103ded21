"""Arguments, options and answers that the commands of `headwater data` share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.command import connect

if TYPE_CHECKING:
    from headwater.versions.dataset import Dataset

DatasetArgument = Annotated[str, typer.Argument(help="Dataset's name.")]
RevisionArgument = Annotated[
    str, typer.Argument(help="Branch, tag, commit's first digits, main~2 or main@{2026-11-01}.", show_default=False)
]
FolderArgument = Annotated[Path, typer.Argument(help="Folder on this machine.")]
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
