"""The report of `headwater lineage forget`, as people read it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from headwater.cli.output import show, table
from headwater.cli.render.lineage import Rows, served, short

if TYPE_CHECKING:
    from rich.console import Console

    from headwater.lineage.forgetting.report import Forgetting, Held, HoldingCommit

_COMMANDS, _NODES = 12, 8
"""Lines that are shown; --json has all."""


def show_forgetting(console: Console, found: Forgetting) -> None:
    """Where the entity's data lies, what removing it does, what wasn't looked through, and the commands."""
    console.print(str(found.entity), style="bold", soft_wrap=True)
    looked = sum(each.objects for each in found.searched)
    if found.is_empty:
        console.print(f"  nothing was found in {looked:,} objects")
    else:
        console.print(table(("where", "what", "objects", "rows", "commits", "now in"), list(_places(found))))
        _show_consequences(console, found)
    with Rows(console) as rows:
        gone = sum(each.gone for each in found.searched)
        rows.add("searched", f"{looked:,} objects, {sum(each.size for each in found.searched):,} bytes")
        if gone:
            rows.add("gone", f"{gone:,} versions were deleted before")
        rows.add("not searched", *(f"* {note}" for note in found.unsearched))
    if found.commands:
        console.print("To remove it (nobody has run these; read docs/how-to/forget-a-person.md first):")
        for line in found.commands[:_COMMANDS]:
            # A command is copied whole.
            console.print(f"  {line}", soft_wrap=True)
        if (left := len(found.commands) - _COMMANDS) > 0:
            console.print(f"  … and {left:,} more: --json has them under commands")


def _places(found: Forgetting) -> Iterator[Sequence[object]]:
    grouped: dict[tuple[str, str], list[Held]] = {}
    for held in found.files:
        grouped.setdefault((held.of, held.kind), []).append(held)
    for (of, kind), several in sorted(grouped.items()):
        counted = [held.rows for held in several if held.rows is not None]
        refs = sorted({ref for held in several for ref in held.refs})
        # Each commit once, however many of its files hold rows.
        commits = sum(each.dataset == of for each in found.commits) if any(held.commits for held in several) else None
        yield of, kind, len(several), show(sum(counted) if counted else None), show(commits), _few(refs)
    for item in found.online:
        yield f"view {', '.join(item.views)}", "online item", 1, "", "", ""


def _show_consequences(console: Console, found: Forgetting) -> None:
    console.print("Removing these versions", style="bold")
    with Rows(console) as rows:
        rows.add("commits", *_commits(found.commits))
        rows.add("views", *_some(map(short, found.views)))
        rows.add("sets", *_some(map(short, found.sets)))
        for version in found.versions:
            rows.add("model", f"{version.model}@{version.version} {version.status} learnt from them", *served(version))
        if not (found.commits or found.views or found.sets or found.versions):
            rows.add("", "nothing was made from them that couldn't be made again")
        elif found.sets or found.versions:
            rows.add("", "none of these can be made again from its commits then")
    for each in found.serving:
        console.print(f"! {each.model}@{each.version} serves, and learnt from them", style="yellow")


def _commits(commits: Sequence[HoldingCommit]) -> Iterator[str]:
    for dataset in dict.fromkeys(each.dataset for each in commits):
        of = [each for each in commits if each.dataset == dataset]
        refs = _few(sorted({ref for each in of for ref in each.refs}))
        span = f"{of[0].commit[:12]} of {show(of[0].at)}"
        if len(of) > 1:
            span += f" to {of[-1].commit[:12]} of {show(of[-1].at)}"
        yield f"{dataset}: {len(of):,} can't be read whole any more: {span} UTC{f'; {refs}' if refs else ''}"


def _some(texts: Iterable[str]) -> list[str]:
    every = list(texts)
    more = [f"and {len(every) - _NODES:,} more"] * (len(every) > _NODES)
    return [*every[:_NODES], *more]


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
