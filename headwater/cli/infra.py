"""`headwater infra`: the infrastructure's history, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwater.cli.command import StackOption, YesOption, commands, connect, group
from headwater.cli.output import Answer, note

if TYPE_CHECKING:
    from headwater.client.infrastructure import Infrastructure
    from headwater.history.types import Resource, StackName, Update

UpdateArgument = Annotated[
    str, typer.Argument(help="Id, four or more of its first characters, latest or latest~2.", show_default=False)
]
OfOption = Annotated[
    str | None, typer.Option("--of", help="Another stack whose state lies in the same bucket: PROJECT/STACK.")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    infra = group("infra", "The infrastructure's history: who changed what, what existed when, and the way back.", app)
    commands(infra, history, show, diff, at, sync, restore)


def history(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many, the newest first.")] = 20,
    of: OfOption = None,
    stack: StackOption = None,
) -> Answer:
    """List the updates of the stack, the newest first."""
    from headwater.cli.render.infrastructure import show_history

    cloud = _infra(stack)
    found = cloud.history(_stack(of))
    if not found:
        note("no update is known; next: headwater infra sync")
    shown = found[:limit]
    return Answer([_data(update) for update in shown], lambda console: show_history(console, shown, len(found)))


def show(update: UpdateArgument = "latest", of: OfOption = None, stack: StackOption = None) -> Answer:
    """Show an update: who, when, from which commit, what it changed and what existed afterwards."""
    from headwater.cli.render.infrastructure import difference_data, show_card

    card = _infra(stack).show(update, _stack(of))
    data = {
        "update": _data(card.update),
        "changes": difference_data(card.changes) if card.changes else None,
        "resources": [_resource(each) for each in card.resources],
    }
    return Answer(data, lambda console: show_card(console, card))


def diff(
    before: UpdateArgument,
    after: Annotated[str, typer.Argument(help="The update to compare with, named in the same ways.")] = "latest",
    of: OfOption = None,
    stack: StackOption = None,
) -> Answer:
    """Show the differences between the states after two updates, property by property, but for secrets."""
    from headwater.cli.render.infrastructure import difference_data, show_difference

    found = _infra(stack).diff(before, after, _stack(of))
    return Answer(difference_data(found), lambda console: show_difference(console, found))


def at(
    time: Annotated[str, typer.Argument(help="ISO 8601 with its time zone, such as 2026-03-01T12:00Z.")],
    of: OfOption = None,
    stack: StackOption = None,
) -> Answer:
    """Show which infrastructure existed at a time."""
    from headwater.cli.render.infrastructure import show_standing
    from headwater.cli.times import time_of

    found = _infra(stack).at(time_of(time), _stack(of))
    data = {
        "at": found.at,
        "update": _data(found.update),
        "during": _data(found.during) if found.during else None,
        "resources": [_resource(each) for each in found.resources],
    }
    return Answer(data, lambda console: show_standing(console, found))


def sync(
    exported: Annotated[
        Path | None,
        typer.Option(
            "--history", help="Output of `pulumi stack history --json` to add instead, of another backend; - is stdin."
        ),
    ] = None,
    stack: StackOption = None,
) -> Answer:
    """Rebuild the history from the state bucket, removed stacks included; run it as often as you like."""
    import sys

    from headwater.history.errors import FileUnreadable

    text = None
    if exported is not None:
        try:
            text = sys.stdin.read() if str(exported) == "-" else exported.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise FileUnreadable(f"{exported} can't be read: {error}") from error
    found = _infra(stack).sync(text)
    what = "files of updates in the state bucket" if exported is None else "updates in the exported history"
    note(f"{found.files} {what}, {found.new} of them new to the history")
    return Answer(found)


def restore(
    update: UpdateArgument,
    apply: Annotated[bool, typer.Option("--apply", help="Do it, after a preview and a question.")] = False,
    yes: YesOption = False,
    stack: StackOption = None,
) -> Answer:
    """Show how to return to the state after an update, with --apply do it; exits 5 where data would be lost."""
    from headwater.cli.infra_restore import check_commit, commands, perform
    from headwater.cli.render.infrastructure import difference_data, show_plan
    from headwater.project import project

    cloud = connect(stack)
    plan = check_commit(cloud.infra.restore_plan(update), project())
    plan.refuse()
    data: dict[str, Any] = {
        "update": _data(plan.update),
        "difference": difference_data(plan.difference) if plan.difference else None,
        "config": dict(plan.config),
        "commands": commands(plan, cloud.description.name),
        "applied": apply,
    }
    if not apply:
        note("nothing was done; with --apply Headwater does it")
        return Answer(data, lambda console: show_plan(console, plan, data["commands"]))
    data["changes"] = perform(plan, cloud, project(), yes=yes)
    return Answer(data, lambda console: show_plan(console, plan, []))


def _infra(stack: str | None) -> Infrastructure:
    return connect(stack).infra


def _stack(of: str | None) -> StackName | None:
    from headwater.errors import InvalidRequest
    from headwater.history.types import StackName

    if of is None:
        return None
    project, slash, stack = of.partition("/")
    if not (project and slash and stack):
        raise InvalidRequest(f"--of {of!r}: expected PROJECT/STACK, such as headwater/dev")
    return StackName(project=project, stack=stack)


def _data(update: Update) -> dict[str, Any]:
    return {**update.model_dump(mode="json", exclude={"of"}), "stack": str(update.of)}


def _resource(resource: Resource) -> dict[str, Any]:
    from headwater.history.difference import shown_inputs

    return {**resource.model_dump(mode="json"), "name": resource.name, "inputs": shown_inputs(resource)}
