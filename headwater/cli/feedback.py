"""`headwater feedback`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwater.cli.command import StackOption, YesOption, command, commands, connect, group
from headwater.cli.keys import RevokeOption, rotated
from headwater.cli.output import Answer, answered, as_json, note
from headwater.cli.times import day_of

if TYPE_CHECKING:
    from datetime import date

    from headwater.monitoring.feedback.types import Feedback

SinceOption = Annotated[
    str | None,
    typer.Option("--since", help="First day of the predictions, UTC: YYYY-MM-DD. [default: 29 days ago]")
]  # fmt: skip
UntilOption = Annotated[str | None, typer.Option("--until", help="Last day, UTC. [default: today]")]
ModelArgument = Annotated[str, typer.Argument(help="Model that serves.")]
PredictionArgument = Annotated[str, typer.Argument(help="Id of a prediction: <request_id>.<n>, the first one being 0.")]


class Verdict(StrEnum):
    """Whether a prediction was right."""

    RIGHT = "right"
    WRONG = "wrong"


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    feedback = group("feedback", "Feedback: what end users say of single predictions.", app)
    commands(feedback, list_feedback, show, summary, send)
    command(feedback, "rotate-key")(rotate_key)


def list_feedback(
    model: ModelArgument,
    since: SinceOption = None,
    until: UntilOption = None,
    history: Annotated[bool, typer.Option("--history", help="Show what authors replaced, too.")] = False,
    as_labels: Annotated[
        bool,
        typer.Option(
            "--as-labels",
            help="Print corrections as labels, a line of JSON each; not those about which authors disagree.",
        ),
    ] = False,
    stack: StackOption = None,
) -> Answer:
    """List what was said of a model's predictions, each author's last word."""
    from headwater.cli.render.feedback import show_feedback

    first, last = _days(since, until)
    found = connect(stack).feedback.list(model, first, last, history=history and not as_labels)
    if as_labels:
        return _labels(found)
    return answered(found, show_feedback, nothing=f"nobody said anything of {model}'s predictions of these days")


def show(prediction_id: PredictionArgument, stack: StackOption = None) -> Answer:
    """Show all that was ever said of a prediction, the last one first."""
    from headwater.cli.render.feedback import show_history

    return answered(connect(stack).feedback.show(prediction_id), show_history)


def summary(
    model: ModelArgument, since: SinceOption = None, until: UntilOption = None, stack: StackOption = None
) -> Answer:
    """Show how many predictions are called right, day by day, and of how many nobody said anything."""
    from headwater.cli.render.feedback import show_summary

    first, last = _days(since, until)
    return answered(connect(stack).feedback.summary(model, first, last), show_summary)


def send(
    prediction_id: PredictionArgument,
    verdict: Annotated[Verdict, typer.Argument(help="Whether the prediction was right.")],
    token: Annotated[
        str, typer.Option("--token", help="Its feedback_token; headwater predict --feedback shows it.")
    ],
    corrected: Annotated[
        str | None,
        typer.Option("--corrected", help="What would have been right: JSON, or else text.")
    ] = None,
    comment: Annotated[str | None, typer.Option("--comment", help="In words.")] = None,
    author: Annotated[str | None, typer.Option("--author", help="Who says so.")] = None,
    stack: StackOption = None,
) -> Answer:  # fmt: skip
    """Say what a prediction was worth, as an end user would, for trying."""
    value = None if corrected is None else _value(corrected)
    sent = connect(stack).feedback.send(
        prediction_id, token, verdict.value, corrected=value, comment=comment, author=author
    )
    note(f"kept as number {sent.sequence} of this author; next: headwater feedback show {prediction_id}")
    return Answer(sent)


def rotate_key(revoke: RevokeOption = False, yes: YesOption = False, stack: StackOption = None) -> Answer:
    """Make a new key for tokens; those of earlier keys stay valid until they expire."""
    return rotated(connect(stack).feedback.rotate_key, "tokens", revoke=revoke, yes=yes)


def _days(since: str | None, until: str | None) -> tuple[date | None, date | None]:
    return (
        None if since is None else day_of(since, "--since"),
        None if until is None else day_of(until, "--until"),
    )


def _value(text: str) -> Any:
    from headwater.json_values import loads

    try:
        found = loads(text)
    except ValueError:
        return text
    return text if isinstance(found, dict | list) or found is None else found


def _labels(found: tuple[Feedback, ...]) -> Answer:
    """Corrections as `labels upload` takes labels."""
    by_prediction: dict[str, list[Feedback]] = {}
    for one in found:
        if one.corrected is not None:
            by_prediction.setdefault(one.prediction_id, []).append(one)
    labels, disputed = [], 0
    for prediction_id, entries in by_prediction.items():
        if any(one.corrected != entries[0].corrected for one in entries):
            disputed += 1
            continue
        last = max(entries, key=lambda one: one.received_at)
        labels.append({
            "prediction_id": prediction_id,
            "value": last.corrected,
            "observed_at": last.received_at.isoformat(),
            "source": "feedback",
            "write_id": f"{prediction_id}-{last.author_key[:8]}-{last.sequence}",
        })  # fmt: skip
    if disputed:
        note(f"left out: {disputed} predictions that authors correct in different ways")
    note(f"{len(labels)} corrections; whoever corrects isn't drawn by chance: look at them before they become labels")
    return Answer(labels, lambda console: console.out("".join(f"{as_json(one)}\n" for one in labels), end=""))
