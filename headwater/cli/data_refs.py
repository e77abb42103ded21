"""`headwater data`: branches, tags, their logs, and the hooks that guard them."""

from __future__ import annotations

from typing import Annotated, Any, cast

import typer

from headwater.cli.command import StackOption, YesOption, commands, group
from headwater.cli.data_options import BranchOption, DatasetArgument, RevisionArgument, author, dataset
from headwater.cli.output import Answer, confirm, listed, note

NameArgument = Annotated[str, typer.Argument(help="Its name.")]
KindOption = Annotated[bool, typer.Option("--tag", help="A tag is meant, not a branch.")]
EventArgument = Annotated[str, typer.Argument(help="pre-commit or pre-merge.")]


def add_to(data: typer.Typer) -> None:
    """Add the commands."""
    branch = group("branch", "Branches of a dataset.", data)
    commands(branch, create_branch, list_refs, delete_ref)
    hook = group("hook", "Rules that a commit or a merge must pass.", data)
    commands(hook, add_hook, list_hooks, remove_hook)
    commands(data, tag, reset, moves)


def create_branch(
    name: DatasetArgument, branch: NameArgument, at: RevisionArgument = "main", stack: StackOption = None
) -> Answer:
    """Make a branch that points at a commit."""
    return _moved(dataset(name, stack).create_branch(branch, at, by=author()))


def list_refs(name: DatasetArgument, stack: StackOption = None) -> Answer:
    """List branches and tags."""
    rows = [(ref.kind, ref.name, ref.commit[:12], ref.sequence) for ref in dataset(name, stack).refs()]
    return listed(("kind", "name", "commit", "moves"), rows)


def delete_ref(
    name: DatasetArgument, branch: NameArgument, is_tag: KindOption = False, yes: YesOption = False,
    stack: StackOption = None,
) -> Answer:  # fmt: skip
    """Take a branch or tag away; its commits stay until gc."""
    confirm(f"Delete {'tag' if is_tag else 'branch'} {branch!r} of dataset {name!r}?", yes)
    return _moved(dataset(name, stack).delete_ref(branch, "tag" if is_tag else "branch", by=author()))


def tag(
    name: DatasetArgument,
    tag_name: NameArgument,
    at: RevisionArgument = "main",
    why: Annotated[str, typer.Option("--why", help="Reason, kept in the tag's log.")] = "",
    stack: StackOption = None,
) -> Answer:
    """Give a commit a name that stays."""
    return _moved(dataset(name, stack).tag(tag_name, at, by=author(), why=why))


def reset(
    name: DatasetArgument,
    to: RevisionArgument,
    branch: BranchOption = "main",
    why: Annotated[str, typer.Option("--why", help="Reason, kept in the branch's log.")] = "reset",
    yes: YesOption = False,
    stack: StackOption = None,
) -> Answer:
    """Point a branch at another commit; its log remembers where it pointed."""
    confirm(f"Point branch {branch!r} of dataset {name!r} at {to}?", yes)
    return _moved(dataset(name, stack).reset(to, branch=branch, by=author(), why=why))


def moves(
    name: DatasetArgument,
    ref: Annotated[str, typer.Argument(help="Branch, or with --tag a tag.")] = "main",
    is_tag: KindOption = False,
    stack: StackOption = None,
) -> Answer:
    """Show every move of a branch or tag: who pointed it where, when and why."""
    found = dataset(name, stack).moves(ref, "tag" if is_tag else "branch")
    rows = [(move.sequence, move.at, _short(move.before), _short(move.to), move.by, move.why) for move in found]
    return listed(("move", "time (UTC)", "from", "to", "by", "why"), rows, found)


def add_hook(
    name: DatasetArgument,
    event: EventArgument,
    hook: NameArgument,
    target: Annotated[str, typer.Argument(help="Lambda function's ARN, or module:callable.")],
    stack: StackOption = None,
) -> Answer:
    """Let a Lambda function or a Python callable judge every commit or merge."""
    made = dataset(name, stack).hooks.add(cast("Any", event), hook, target)
    note(f"every {event.removeprefix('pre-')} to {name!r} asks {target} from now on")
    return Answer({"event": made.event, "name": made.name, "target": made.target})


def list_hooks(name: DatasetArgument, stack: StackOption = None) -> Answer:
    """List the hooks of a dataset."""
    rows = [(hook.event, hook.name, hook.target) for hook in dataset(name, stack).hooks.all()]
    return listed(("event", "name", "target"), rows)


def remove_hook(name: DatasetArgument, event: EventArgument, hook: NameArgument, stack: StackOption = None) -> Answer:
    """Take a hook away."""
    dataset(name, stack).hooks.remove(cast("Any", event), hook)
    return Answer({"event": event, "name": hook})


def _moved(move: Any) -> Answer:
    before, to = _short(move.before) or "nothing", _short(move.to) or "nothing"
    note(f"{move.kind} {move.name} points at {to} now, before at {before}")
    return Answer(move)


def _short(commit: str | None) -> str:
    return commit[:12] if commit else ""
