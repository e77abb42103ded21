"""`headwater retrain`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.command import StackOption, YesOption, commands, connect, group
from headwater.cli.output import Answer, answered, confirm, indented, note, table
from headwater.cli.times import PausedUntilOption, time_in_utc

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from headwater.declare import Retraining
    from headwater.retraining.types import Decision, RetrainState

ModelArgument = Annotated[str, typer.Argument(help="Model whose policy it is.", metavar="MODEL")]
WhyOption = Annotated[str, typer.Option("--why", help="Kept with the decision.")]
_STYLES = {
    "PROMOTED": "green", "REQUESTED": "cyan", "FAILED": "bold red", "EXPIRED": "bold red", "REJECTED": "yellow",
    "REFUSED": "yellow", "BLOCKED": "yellow",
}  # fmt: skip


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    summary = "Retraining: when models are trained again by themselves, why, and why not."
    commands(group("retrain", summary, app), status, why, run, pause, resume, policy)


def status(
    model: Annotated[str | None, typer.Argument(help="Model; by default all.")] = None,
    stack: StackOption = None,
) -> Answer:
    """Show where each model's policy stands: what waits, what holds it back, and what it spent in 30 days."""
    found = connect(stack).retraining.status(model)
    return answered(found, _show_status, nothing="the stack has no model")


def why(
    model: ModelArgument,
    number: Annotated[int, typer.Option("--number", "-n", min=1, max=1000, help="Decisions to show.")] = 20,
    stack: StackOption = None,
) -> Answer:
    """Show the last decisions, newest first: each reason to train, what became of it, and why."""
    found = connect(stack).retraining.why(model, number=number)
    nothing = f"nothing was decided about {model} yet; next: headwater retrain policy {model}"
    return answered(found, _show_why, nothing=nothing)


def run(model: ModelArgument, why: WhyOption = "", yes: YesOption = False, stack: StackOption = None) -> Answer:
    """Ask the policy for a training now: it refuses where nothing new is to learn. `headwater train` asks nobody."""
    cloud = connect(stack)
    confirm(f"Retrain {model} of stack {cloud.description.name!r}, if its policy lets you?", yes)
    found = cloud.retraining.run(model, why=why)
    note(f"started {found.run_id}; next: headwater runs watch {found.run_id}")
    return Answer(found)


def pause(
    model: ModelArgument,
    until: PausedUntilOption = None,
    why: WhyOption = "",
    stack: StackOption = None,
) -> Answer:
    """Start no retraining of a model for a while: reasons wait, and what runs goes on."""
    end = None if until is None else time_in_utc(until, "--until")
    found = connect(stack).retraining.pause(model, until=end, why=why)
    note(f"retraining of {model} is {found}; next: headwater retrain resume {model}")
    return Answer(found)


def resume(model: ModelArgument, stack: StackOption = None) -> Answer:
    """End a pause; reasons that waited are looked at within the hour."""
    connect(stack).retraining.resume(model)
    note(f"retraining of {model} goes on; next: headwater retrain status {model}")
    return Answer({"model": model, "paused": False})


def policy(model: ModelArgument, stack: StackOption = None) -> Answer:
    """Show a model's policy as it is deployed."""
    return answered(connect(stack).retraining.policy(model), _show_policy)


def _show_status(console: Console, found: Sequence[RetrainState]) -> None:
    rows = [
        (
            one.model,
            one.phase.value,
            ", ".join(reason.kind for reason in one.armed) or None,
            f"{one.cool_until:%Y-%m-%d %H:%M}" if one.cool_until else None,
            f"{one.last.outcome.value} {one.last.at:%Y-%m-%d}" if one.last and one.last.outcome else None,
            _spent(one),
        )
        for one in found
    ]
    console.print(table(("model", "phase", "reasons", "cools until", "last", "30 days"), rows))
    for one in found:
        for what, words in _notes(one):
            console.print(f"{one.model} {what}")
            console.print(indented(words))


def _notes(state: RetrainState) -> Iterator[tuple[str, str]]:
    """Lines that a row of the table has no room for."""
    if state.run is not None:
        yield f"is trained by run {state.run.run_id} for {state.run.kind}:", state.run.why or "nobody said why"
    is_paused = state.pause is not None and state.pause.holds(datetime.now(UTC))
    if is_paused:
        yield "is held up:", str(state.pause)
    if state.blocked is not None and not (is_paused and state.blocked.code == "paused"):
        yield "waits:", state.blocked.words


def _spent(state: RetrainState) -> str | None:
    if not state.tokens:
        return None
    dollars = sum(token.dollars or 0.0 for token in state.tokens)
    return f"{len(state.tokens)} run{'s' if len(state.tokens) > 1 else ''}, ${dollars:.2f}"


def _show_why(console: Console, found: Sequence[Decision]) -> None:
    from rich.text import Text

    for one in found:
        head = Text(f"{one.at:%Y-%m-%d %H:%M}  ")
        head.append(one.verdict.value, style=_STYLES.get(one.verdict.value, "dim"))
        head.append(f"  {one.kind}" if one.kind else "")
        head.append(f" ({one.code})" if one.code else "")
        console.print(head)
        for words in filter(None, (one.run_id and f"run {one.run_id}", one.words)):
            console.print(indented(words))


def _show_policy(console: Console, found: Retraining) -> None:
    from headwater.declare.schedules import said_of

    budget = f"{found.runs} runs" + (f", {found.dollars:g} USD" if found.dollars is not None else "")
    quality = f"{found.clean_days} days without a finding" if found.block_on_quality else "doesn't block"
    rows = [
        ("reasons", ", ".join(found.reasons) or "none: only people"),
        ("debounce", said_of(found.debounce)),
        ("cool-down", f"{said_of(found.cool_down)}, doubled by each rejection up to 8 times"),
        ("budget of 30 days", budget),
        ("quality", quality),
        ("labels", f"{found.least_labels:,} and {found.matured:.0%} of the last 7 days' predictions"),
        ("performance", f"worse in {found.worse} of {found.windows} windows"),
        ("challenger", f"at most {found.tolerance:g} worse, {found.segment_tolerance:g} in a segment"),
    ]
    console.print(table(("field", "value"), rows))
