"""`headwater demo`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.command import Engine, EngineOption, PortOption, commands, connect
from headwater.cli.output import Answer, note, table

if TYPE_CHECKING:
    from rich.console import Console

    from headwater.demo import Outcome
    from headwater.demo.summer import Summer

_MONTHS = ("January", "February", "March", "April")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    commands(app, demo)


def demo(
    months: Annotated[
        int,
        typer.Option(
            "--months",
            min=1,
            max=4,
            help="How many months of 2013 to take in, from January on; after less than three the model fails its gate.",
        ),
    ] = 4,
    every: Annotated[
        int, typer.Option("--every", min=1, help="Upload every n-th flight only: quicker, and a weaker model.")
    ] = 1,
    retrain: Annotated[
        bool, typer.Option("--retrain/--no-retrain", help="Train a second version on the corrected upload, or don't.")
    ] = True,
    summer: Annotated[
        bool,
        typer.Option("--summer/--no-summer", help="Go on to July: predictions in bulk, a broken sensor, or don't."),
    ] = True,
    keep: Annotated[
        bool, typer.Option("--keep/--stop", help="Leave the local cloud running at the end, or stop it.")
    ] = True,
    port: PortOption = None,
    engine: EngineOption = Engine.EMBEDDED,
) -> Answer:
    """Make a served model of real flights, on this machine, through the deployed resources."""
    from headwater.cli.local_stack import bring_up, interruptible, stop
    from headwater.cli.progress import Stages
    from headwater.client.description import LOCAL
    from headwater.demo import run
    from headwater.demo.summer import has_july
    from headwater.project import home, project

    started = time.monotonic()
    stages = Stages()
    words = f"{_MONTHS[0]}{f' to {_MONTHS[months - 1]}' if months > 1 else ''} 2013"
    note(f"Real flights out of New York, {words}: from files to a served model, on this machine.\n")
    with interruptible(home()):
        up = bring_up(stages, project(), home(), port, engine=engine)
        cloud = connect(LOCAL)
        if has_july(cloud):
            note("July of an earlier demo is in the lake: models learn from it too. headwater local down forgets it\n")
        outcome = run(cloud, stages, months=range(1, months + 1), every=every, retrain=retrain, summer=summer)
    if not keep:
        stop(home())
    seconds = {**stages.seconds, "total": round(time.monotonic() - started, 2)}
    line = outcome.line(resources=up.resources, api=cloud.description.api_url, seconds=seconds)
    return Answer(line, lambda console: _show(console, outcome, seconds["total"], keep=keep))


def _show(console: Console, outcome: Outcome, total: float, *, keep: bool) -> None:
    from headwater.cli.render.model_card import show_card

    console.print(_flights(outcome))
    _explain_missing(console, outcome)
    console.print()
    show_card(console, outcome.card)
    _compare(console, outcome)
    _explain_correction(console, outcome)
    if outcome.summer is not None:
        _explain_summer(console, outcome.summer)
    console.print(f"\nDone in {total:.0f} s. ", end="")
    if not keep:
        console.print("The local cloud is stopped.")
        return
    console.print("The local cloud goes on; look around:\n")
    first, july = outcome.predictions[0], outcome.summer
    inputs, asked = (july.next_inputs, july.next_asked) if july else (first.inputs, first.asked)
    watched = ("headwater monitor drift flight_delay", "headwater monitor performance flight_delay --by week")
    for step in (
        *(watched if july else ()),
        "headwater models show flight_delay",
        "headwater runs list",
        "headwater ingestions list flights",
        f"headwater models training-set flight_delay {outcome.card.version} --to training_set.parquet",
        f"headwater lineage why {(outcome.asked_again or first).request_id}",
        f"headwater predict flight_delay --as-of {asked} \\\n    --input '{json.dumps(inputs)}'",
        "headwater init my_model          # your own model",
        "headwater local stop             # stops everything and keeps it; down forgets it",
    ):
        console.print(f"  {step}", style="bold", soft_wrap=True)


def _explain_correction(console: Console, outcome: Outcome) -> None:
    done, card = outcome.correction, outcome.card
    console.print(
        f"\n{done.file} was then uploaded again with {done.rows_changed:,} rows corrected: commit {done.commit[:12]} "
        f"took the place of {done.commit_before[:12]}. What version {card.version} learnt from was made again from the "
        f"latter, byte for byte (sha256 {done.training_set_sha256[:12]}).",
        soft_wrap=True,
    )
    if done.retrained is not None:
        console.print(f"Version {done.retrained} learnt from the corrected file and serves now.")


def _explain_summer(console: Console, summer: Summer) -> None:
    console.print(
        f"\nThen came July: {summer.predictions:,} flights were asked about in {summer.requests:,} requests.",
        soft_wrap=True,
    )
    for day in (summer.alarmed_on, next((day for day in summer.days if day.day == summer.sensor_found_on), None)):
        if day is not None:
            named = ", ".join(day.named[:3])
            console.print(f"  {day.day}  {day.state}: {named}")
    for kind, figure in (("realised", summer.realised), ("estimated without outcomes", summer.estimated)):
        if figure is not None:
            console.print(
                f"  {figure.metric} {figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}, limit "
                f"{figure.limit:.3f}) {kind}"
            )
    console.print(f"  {summer.coverage:.0%} of the predictions have an outcome by now.")


def _flights(outcome: Outcome) -> object:
    from rich.text import Text

    rows = []
    for flight in outcome.predictions:
        if flight.arrival_delay_minutes is None:
            happened = Text("never arrived", style="dim")
        elif flight.late:
            happened = Text(f"{flight.arrival_delay_minutes} min late", style="red")
        else:
            minutes = flight.arrival_delay_minutes
            words = f"{minutes} min late" if minutes > 0 else f"{-minutes} min early" if minutes else "on time"
            happened = Text(words, style="green")
        route = f"{flight.inputs['origin']} -> {flight.inputs['dest']}"
        probability = f"{flight.probability:6.1%}"
        missing = len(flight.missing_features) or ""
        rows.append(
            (flight.flight, route, flight.scheduled[11:16], flight.asked[11:16], probability, happened, missing)
        )
    day = outcome.predictions[0].scheduled[:10]
    columns = ("flight", "route", "departs (UTC)", "asked at", "more than 15 min late", "really", "features missing")
    return table(
        columns,
        rows,
        title=f"\nFlights of {day}, of which the model knows nothing but what was known when it was asked",
    )


def _explain_missing(console: Console, outcome: Outcome) -> None:
    missing = sorted({name.partition(".")[0] for flight in outcome.predictions for name in flight.missing_features})
    if missing:
        console.print(
            f"Missing: of {', '.join(missing)} the online store knew nothing that was still valid: the newest value "
            "was older than the view's TTL (the uploads end at midnight), or there was none. It counts as unknown, as "
            "it did in training, and the answer names it.",
            style="dim",
        )


def _compare(console: Console, outcome: Outcome) -> None:
    card = outcome.card
    alone = (card.inputs_alone or {}).get("roc_auc")
    beside = f", {alone:.4f} with the request's inputs alone" if alone is not None else ""
    figure = f"[bold]{card.metrics['roc_auc']:.4f}[/bold] with history features{beside}"
    console.print(f"\nROC AUC on the last 30 days, which it never saw: {figure}", markup=True)
