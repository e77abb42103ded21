"""Updates, differences and what existed, as people read them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from headwater.cli.output import note, show, table
from headwater.history.difference import shown_inputs

if TYPE_CHECKING:
    from rich.console import Console

    from headwater.client.infrastructure import UpdateCard
    from headwater.history.restore import RestorePlan
    from headwater.history.types import Difference, Resource, Standing, Update

_SHORT = 12
_WIDEST = 160


def show_history(console: Console, updates: Sequence[Update], of: int) -> None:
    """A line an update, and below what is odd about one."""
    if not updates:
        return
    rows = [
        (
            update.id[:_SHORT],
            update.kind,
            update.result,
            update.ended_at,
            update.by or update.author,
            _commit(update),
            _counts(update),
            "" if update.resources is None else str(update.resources),
            update.digest[:_SHORT],
            update.message,
        )
        for update in updates
    ]
    columns = ("update", "kind", "result", "ended (UTC)", "by", "commit", "changes", "resources", "digest", "message")
    console.print(table(columns, rows))
    for update in updates:
        for line in _oddities(update):
            console.print(f"{update.id[:_SHORT]}: {line}")
    if len(updates) < of:
        note(f"{len(updates)} of {of} updates; more with --limit")


def show_card(console: Console, card: UpdateCard) -> None:
    """One update with all that is known of it."""
    update = card.update
    facts = {
        "update": update.id,
        "stack": str(update.of),
        "what": f"{update.kind}, {update.result}",
        "started": f"{show(update.started_at)} UTC",
        "ended": f"{show(update.ended_at)} UTC",
        "message": update.message,
        "by": update.by,
        "commit": f"{_commit(update)} {update.branch}".strip(),
        "author": update.author,
        "engine": f"{update.run_by} {update.cli}".strip(),
        "providers": ", ".join(f"{name} {version}" for name, version in update.providers.items()),
        "changes": _counts(update),
        "digest": update.digest,
        "from": "pulumi stack history" if update.source == "export" else "",
    }
    for name, fact in facts.items():
        if fact:
            console.print(f"{name:<10} {fact}")
    for key, value in sorted(update.config.items()):
        console.print(f"{'config':<10} {key} = {_value(value)}")
    for key in update.secret_config:
        console.print(f"{'config':<10} {key} = [secret]")
    for line in _oddities(update):
        console.print(f"{'note':<10} {line}")
    if card.changes is not None:
        console.print()
        show_difference(console, card.changes)
    if card.resources:
        console.print(_resources(card.resources))


def show_difference(console: Console, found: Difference) -> None:
    """The added, removed and changed resources, each changed property with its two values."""
    for sign, style, resources in (("+", "green", found.added), ("-", "red", found.removed)):
        for each in resources:
            console.print(f"{sign} {each.type} {each.name}{_condemned(each)}", style=style)
    for change in found.changed:
        console.print(f"~ {change.type} {change.name}", style="yellow")
        for part in change.properties:
            console.print(f"    {part.path}: {_value(part.before)} -> {_value(part.after)}")
        for path in change.secrets:
            console.print(f"    {path}: [secret] on both sides, which can't be compared")
    for change in found.undecided:
        secrets = ", ".join(change.secrets)
        console.print(f"? {change.type} {change.name}: equal but for secrets, which can't be compared: {secrets}",
                      style="dim")  # fmt: skip
    note(
        f"{len(found.added)} added, {len(found.removed)} removed, {len(found.changed)} changed, {found.same} the same"
        + (f", {len(found.undecided)} with secrets that can't be compared" if found.undecided else "")
    )


def show_standing(console: Console, found: Standing) -> None:
    """The resources that existed, and since which update."""
    update = found.update
    console.print(f"at {show(found.at)} UTC: what update {update.id[:_SHORT]} left "
                  f"({update.kind}, {update.result}, {show(update.ended_at)} UTC)")  # fmt: skip
    if found.during is not None:
        console.print(f"update {found.during.id[:_SHORT]} was under way: some of its changes were made")
    console.print(_resources(found.resources))
    kinds = Counter(each.type for each in found.resources if each.custom)
    note(f"{sum(kinds.values())} resources of {len(kinds)} types")


def show_plan(console: Console, plan: RestorePlan, commands: Iterable[str]) -> None:
    """The plan that brings the stack back."""
    if plan.difference is not None:
        show_difference(console, plan.difference)
    else:
        note("what exists now, or what existed then, isn't known: the preview will tell the difference")
    for line in commands:
        console.print(line, soft_wrap=True)


def difference_data(found: Difference) -> dict[str, Any]:
    """The difference for ``--json``."""
    data = found.model_dump(mode="json")
    for name, resources in (("added", found.added), ("removed", found.removed)):
        data[name] = [
            {"urn": each.urn, "type": each.type, "name": each.name, "id": each.id, "inputs": shown_inputs(each)}
            for each in resources
        ]
    return data


def _resources(resources: Sequence[Resource]) -> object:
    return table(
        ("type", "name", "id"),
        [(each.type, f"{each.name}{_condemned(each)}", each.id) for each in resources if each.custom],
    )


def _condemned(resource: Resource) -> str:
    return " (replaced, to be deleted)" if resource.condemned else ""


def _commit(update: Update) -> str:
    return f"{update.commit[:_SHORT]}{' (dirty)' if update.dirty else ''}" if update.commit else ""


def _counts(update: Update) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(update.changes.items()) if kind != "same") or "none"


def _oddities(update: Update) -> list[str]:
    jumped = (
        "it didn't begin where the update before it ended: "
        "the state was changed outside of any update, or an update was killed"
    )
    return [*update.problems, *([jumped] if update.jumped else [])]


def _value(value: Any) -> str:
    if value is None:
        return "(none)"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDEST else f"{text[:_WIDEST]}…"
