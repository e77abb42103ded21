"""`headwater data`: the commands, and those that show commits. What makes one is in `data_commits`, what
moves bytes in `data_files`, what moves branches in `data_refs`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwater.cli import data_refs
from headwater.cli.command import StackOption, commands, connect, group
from headwater.cli.data_commits import commit, import_prefix, merge, revert, upload
from headwater.cli.data_files import cat, checkout, gc, verify
from headwater.cli.data_options import (
    BranchOption,
    DatasetArgument,
    LimitOption,
    PathArgument,
    RevisionArgument,
    dataset,
)
from headwater.cli.output import Answer, listed, note, table
from headwater.cli.progress import counting

if TYPE_CHECKING:
    from headwater.versions.dataset import Logged


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    data = group("data", "Data version control: commits, branches and merges over S3 versions.", app)
    commands(data, list_datasets, status, commit, log, show_commit, diff, ls, blame, revert, merge)
    data_refs.add_to(data)
    commands(data, checkout, upload, import_prefix, verify, cat, gc)


def list_datasets(stack: StackOption = None) -> Answer:
    """List the datasets and what their main branch holds."""
    from headwater.versions.errors import RevisionNotFound

    versions = connect(stack).data
    rows: list[tuple[Any, ...]] = []
    for name in versions.datasets():
        data = versions.dataset(name)
        branches = sum(ref.kind == "branch" for ref in data.refs())
        try:
            head, tree = data.commit_of(), data.tree()
        except RevisionNotFound:
            rows.append((name, branches, None, None, "", None))
            continue
        rows.append((name, branches, tree.rows, tree.size, head.id[:12], head.commit.time))
    names = ("dataset", "branches", "files", "bytes", "commit", "time")
    return listed(
        ("dataset", "branches", "files", "bytes", "main", "committed (UTC)"),
        rows,
        [dict(zip(names, row, strict=True)) for row in rows],
        nothing="no dataset yet; next: headwater data upload DATASET FOLDER -m MESSAGE",
    )


def status(name: DatasetArgument, branch: BranchOption = "main", stack: StackOption = None) -> Answer:
    """Show where a branch's files are staged, and what is staged there and not committed yet."""
    data = dataset(name, stack)
    with counting("looking") as progress:
        staged = [(path, "gone" if found is None else "staged") for path, found in data.status(branch, progress)]
    note(f"staged in s3://{data.staging_area(branch)}: {len(staged)} paths differ from the last commit")
    return listed(("path", "state"), staged)


def log(
    name: DatasetArgument, revision: RevisionArgument = "main", limit: LimitOption = 20, stack: StackOption = None
) -> Answer:
    """Show the commits that a revision stands on, newest first."""
    from itertools import islice

    found = list(islice(dataset(name, stack).log(revision), limit))
    rows = [
        (one.id[:12], one.commit.time, one.commit.author, one.commit.message, _pairs(one.commit.meta)) for one in found
    ]
    return listed(("commit", "time (UTC)", "author", "message", "meta"), rows, [_shown(one) for one in found])


def show_commit(name: DatasetArgument, revision: RevisionArgument = "main", stack: StackOption = None) -> Answer:
    """Show a commit and how it differs from its first parent."""
    data = dataset(name, stack)
    found = data.commit_of(revision)
    changes = list(data.changes(found.id))
    tree = data.tree(found.id)
    shown = {
        **_shown(found),
        "files": tree.rows,
        "bytes": tree.size,
        "ranges": len(tree.ranges),
        "changes": [{"path": change.path, "kind": change.kind} for change in changes],
    }

    def show(console: Any) -> None:
        for key, value in shown.items():
            if key != "changes":
                console.print(f"{key:<10} {_pairs(value) if key == 'meta' else value}")
        if changes:
            console.print(table(("kind", "path"), [(change.kind, change.path) for change in changes]))

    return Answer(shown, show)


def diff(
    name: DatasetArgument,
    before: RevisionArgument,
    after: RevisionArgument = "main",
    stack: StackOption = None,
) -> Answer:
    """Show how two commits differ, path by path."""
    changes = list(dataset(name, stack).diff(before, after))
    rows = [
        (
            change.kind,
            change.path,
            change.before.size if change.before else None,
            change.after.size if change.after else None,
        )
        for change in changes
    ]
    note(f"{len(rows)} paths differ")
    names = ("kind", "path", "bytes_before", "bytes_after")
    data = [dict(zip(names, row, strict=True)) for row in rows]
    return listed(("kind", "path", "bytes before", "after"), rows, data)


def ls(
    name: DatasetArgument,
    revision: RevisionArgument = "main",
    path: Annotated[str, typer.Argument(help="Folder or file; by default all.")] = "",
    stack: StackOption = None,
) -> Answer:
    """List a commit's files in a folder."""
    found = list(dataset(name, stack).ls(revision, path))
    rows = [(one.path, one.size, one.files, one.entry.version_id if one.entry else "") for one in found]
    return listed(("path", "bytes", "files", "version"), rows)


def blame(
    name: DatasetArgument,
    path: PathArgument,
    revision: RevisionArgument = "main",
    stack: StackOption = None,
) -> Answer:
    """Show which commit gave a path the version that it has."""
    found = dataset(name, stack).blame(path, revision)
    rows = [(found.id[:12], found.commit.time, found.commit.author, found.commit.message, _pairs(found.commit.meta))]
    return listed(("commit", "time (UTC)", "author", "message", "meta"), rows, _shown(found))


def _shown(found: Logged) -> dict[str, Any]:
    return {"commit": found.id, **found.commit.model_dump(mode="json")}


def _pairs(meta: Any) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(meta.items()))
