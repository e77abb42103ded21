"""`headwater predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwater.cli.command import StackOption, commands, connect
from headwater.cli.output import Answer, note, table
from headwater.cli.times import time_in_utc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from headwater.client.predictions import Prediction, Predictions


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    commands(app, predict)


def predict(
    model: Annotated[str, typer.Argument(help="Model that serves.")],
    inputs: Annotated[
        list[str] | None, typer.Option("--input", "-i", help="One instance as JSON; may be given more than once.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Instances: a JSON list, JSON lines, or CSV; - for stdin.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="Time at which features are looked at, ISO 8601; now by default.")
    ] = None,
    alias: Annotated[
        str | None, typer.Option("--alias", "-a", help="Which version answers; production by default.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say of each feature view whether it had values, and how old they are.")
    ] = False,
    feedback: Annotated[
        bool, typer.Option("--feedback", help="Show tokens by which end users may tell what predictions were worth.")
    ] = False,
    stack: StackOption = None,
) -> Answer:
    """Ask the deployed API for predictions."""
    from headwater.cli.predict_instances import read_instances
    from headwater.client.predictions import MAX_INSTANCES

    def kinds() -> dict[str, str]:
        return {entry.name: entry.kind for entry in connect(stack).models.serving(model).inputs}

    instances = read_instances(inputs or [], file, kinds)
    at = time_in_utc(as_of, "--as-of") if as_of else None
    cloud = connect(stack)
    answers = [
        cloud.predict(
            model,
            instances[start : start + MAX_INSTANCES],
            as_of=at,
            alias=alias,
            explain=explain,
            feedback=feedback,
        )
        for start in range(0, len(instances), MAX_INSTANCES)
    ]
    whole = answers[0].model_copy(update={"predictions": sum((part.predictions for part in answers), ())})
    data = whole.data()
    if len(answers) > 1:
        data["request_ids"] = [part.request_id for part in answers]
    return Answer(data, lambda console: _show(console, instances, whole, _tokens(answers) if feedback else []))


def _tokens(answers: Sequence[Predictions]) -> list[tuple[str, str | None]]:
    """Each prediction's id and token."""
    return [
        (f"{answer.request_id}.{number}", entry.feedback_token)
        for answer in answers
        for number, entry in enumerate(answer.predictions)
    ]


def _show(
    console: Console,
    instances: list[dict[str, Any]],
    answer: Predictions,
    tokens: Sequence[tuple[str, str | None]],
) -> None:
    inputs = list(dict.fromkeys(name for instance in instances for name in instance))
    kind = "value" if answer.predictions[0].probability is None else "probability"
    missing = any(entry.missing_features for entry in answer.predictions)
    rows = [
        (
            *(instance.get(name) for name in inputs),
            entry.number,
            *([", ".join(entry.missing_features)] * missing),
        )
        for instance, entry in zip(instances, answer.predictions, strict=True)
    ]
    console.print(table((*inputs, kind, *(["missing features"] * missing)), rows))
    if any(entry.views is not None for entry in answer.predictions):
        _show_views(console, answer.predictions)
    for prediction_id, token in tokens:
        # On a line of its own, for copying.
        console.print(f"feedback on {prediction_id}", soft_wrap=True)
        console.print(f"  {token or 'no token could be made just now'}", soft_wrap=True)
    note(f"{answer.model} version {answer.version} ({answer.alias}), request {answer.request_id}")


def _show_views(console: Console, predictions: Sequence[Prediction]) -> None:
    """A line for each instance, counted from 0 as errors do, and view that was looked up."""
    from headwater.cli.render.online import age, state

    rows = [
        (str(number), view, state(seen.status), age(seen.age_seconds))
        for number, entry in enumerate(predictions)
        for view, seen in (entry.views or {}).items()
    ]
    if rows:
        console.print(table(("instance", "view", "state", "age"), rows, whole=("state", "age")))
    else:
        note("no feature was looked up")
