"""`headwater features`: which views there are, what they are made of, and how their values look."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.command import StackOption, commands, connect, group
from headwater.cli.output import Answer, answered, note, table

if TYPE_CHECKING:
    from rich.console import Console

    from headwater.features.catalog.searching import Found
    from headwater.features.catalog.views import ViewSummary

ViewArgument = Annotated[str, typer.Argument(help="Feature view's name.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    features = group("features", "The feature store: views, where they come from and how their values look.", app)
    commands(
        features, list_views, show_view, lineage, stats, diff, search, get, ingest, materialise, compute, parity, skew
    )


def list_views(stack: StackOption = None) -> Answer:
    """List the feature views and how fresh each one's online values are."""
    return answered(connect(stack).features.list(), show_list)


def show_view(view: ViewArgument, stack: StackOption = None) -> Answer:
    """Show a view's definition, its features, its earlier versions and the models that use it."""
    from headwater.cli.render.features import show_details

    return answered(connect(stack).features.show(view), show_details)


def compute(
    view: ViewArgument,
    again: Annotated[bool, typer.Option("--again", help="Try once more where the last run failed.")] = False,
    stack: StackOption = None,
) -> Answer:
    """Let Spark compute a view's rows; the stack does so by itself unless a run has failed."""
    run = connect(stack).features.compute(view, again=again)
    note(f"run {run} of state machine features-spark computes {view}")
    return Answer({"view": view, "run": run})


def lineage(
    name: Annotated[str, typer.Argument(help="Feature view, or view.feature.")],
    stack: StackOption = None,
) -> Answer:
    """Show the sources of a view or feature, and the model versions that use it."""
    from headwater.cli.render.features import show_lineage

    return answered(connect(stack).features.lineage(name), show_lineage)


def stats(
    view: ViewArgument,
    at: Annotated[
        str | None,
        typer.Argument(
            help="First digits of a data version or of a definition's version; the last materialisation by default."
        ),
    ] = None,
    stack: StackOption = None,
) -> Answer:
    """Show how a view's values are spread, feature by feature, as of one materialisation."""
    from headwater.cli.render.features import show_statistics

    return answered(connect(stack).features.stats(view, at), show_statistics)


def diff(
    view: ViewArgument,
    before: Annotated[
        str | None,
        typer.Argument(
            help="First digits of a definition's version or of a data version; by default the last but one "
            "materialisation."
        ),
    ] = None,
    after: Annotated[str | None, typer.Argument(help="The same; by default the last materialisation.")] = None,
    stack: StackOption = None,
) -> Answer:
    """Show the changes in a view: in its definition, and in the spread of its values."""
    from headwater.cli.render.features import show_difference

    return answered(connect(stack).features.diff(view, before, after), show_difference)


def search(
    words: Annotated[list[str], typer.Argument(help="Words to look for.")],
    stack: StackOption = None,
) -> Answer:
    """Search names, descriptions, owners, entities and sources; the best match comes first."""
    return answered(connect(stack).features.search(" ".join(words)), _show_search)


def get(
    view: ViewArgument,
    keys: Annotated[
        list[str],
        typer.Argument(metavar="KEY...", help="Entities; of several join keys the values with commas between."),
    ],
    features: Annotated[
        list[str] | None, typer.Option("--feature", "-f", help="Only this feature; may be given more than once.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="Time at which ages are judged, ISO 8601; now by default.")
    ] = None,
    stack: StackOption = None,
) -> Answer:
    """Show the newest values of entities as a prediction would see them, with their state and age."""
    from headwater.cli.features_rows import keys_of
    from headwater.cli.render.online import show_values
    from headwater.cli.times import time_in_utc

    store = connect(stack).features
    declared = store.definition(view)
    names = features or [feature.name for feature in declared.features]
    at = time_in_utc(as_of, "--as-of") if as_of else None
    rows = store.online(keys_of(declared, keys), [f"{view}.{name}" for name in names], as_of=at)
    return Answer(rows, lambda console: show_values(console, declared, names, rows))


def ingest(
    view: ViewArgument,
    file: Annotated[Path, typer.Argument(help="Rows: .csv, .jsonl or .parquet.")],
    stack: StackOption = None,
) -> Answer:
    """Stream a file's rows online through the API; exits with 1 if rows were refused."""
    from headwater.cli.features_rows import read_rows
    from headwater.cli.interrupts import goes_on
    from headwater.cli.progress import counting
    from headwater.client.errors import RowsRefused

    store = connect(stack).features
    declared = store.definition(view) if file.suffix.lower() == ".csv" else None
    sent_again = f"headwater features ingest {view} {file} sends the rows again, which changes nothing twice"
    with (
        goes_on("the rows that were sent stay, the others weren't", next_steps=[sent_again]),
        counting(f"rows of {view} sent") as progress,
    ):
        done = store.ingest(view, read_rows(file, declared), progress=progress)
    note(f"{view}: {done.rows:,} rows taken, {done.written:,} online items changed")
    if done.refused:
        raise RowsRefused(f"{len(done.refused):,} of {done.rows + len(done.refused):,} rows were refused", done.refused)
    return Answer(done)


def materialise(
    view: Annotated[str | None, typer.Argument(help="Only this feature view.")] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Look at every entity, also at those that haven't changed.")
    ] = False,
    stack: StackOption = None,
) -> Answer:
    """Bring values online now, and wait until they are."""
    from headwater.cli.interrupts import goes_on
    from headwater.cli.progress import Stages
    from headwater.cli.render.online import show_materialised

    store = connect(stack).features
    said = f"what of {view or 'the views'} is being written goes on in the cloud; what is left comes with the next run"
    with (
        goes_on(said, next_steps=["headwater features list", "headwater features materialise does the rest"]),
        Stages().stage("materialise", f"materialise {view or 'all views'}") as stage,
    ):
        done = store.materialise(
            view,
            full=full,
            progress=lambda found: stage.update(f"{sum(entry.written for entry in found):,} items written"),
        )
    shown = [entry.model_dump(mode="json", exclude_unset=True) for entry in done]
    return Answer(shown, lambda console: show_materialised(console, done))


def parity(
    view: Annotated[str | None, typer.Argument(help="Only this feature view.")] = None,
    stack: StackOption = None,
) -> Answer:
    """Compare a sample of online items with the offline rows; exits with 1 if one differs."""
    from headwater.cli.render.online import show_parity
    from headwater.features.errors import OnlineDiffers

    found = connect(stack).features.parity(view)
    if different := sum(entry.different for entry in found):
        named = [str(mismatch) for entry in found for mismatch in entry.mismatches]
        raise OnlineDiffers("\n".join([f"{different} entities aren't online what they are offline:", *named]))
    return answered(found, show_parity)


def skew(
    model: Annotated[str, typer.Argument(help="Model that serves.")],
    day: Annotated[
        str | None, typer.Option("--day", help="Day of the requests (UTC), as 2013-05-01; the last one by default.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Compare that many requests at most.")] = 1000,
    stack: StackOption = None,
) -> Answer:
    """Compare the features that a day's predictions saw with those that training would join to them."""
    from headwater.cli.render.online import show_skew
    from headwater.cli.times import day_of

    chosen = day_of(day, "--day") if day else None
    return answered(connect(stack).features.skew(model, chosen, limit=limit), show_skew)


def show_list(console: Console, found: tuple[ViewSummary, ...]) -> None:
    """A line a view."""
    from rich.text import Text

    from headwater.cli.render.features import duration

    if not found:
        note("no product declares a feature view; docs/tutorial-features.md shows how")
        return
    styles = {"FRESH": "green", "LATE": "bold red", "BEHIND": "yellow", "NEVER": "dim", "RETIRED": "dim"}
    rows = [
        (
            entry.view,
            ", ".join(entry.entity),
            entry.version,
            duration(entry.ttl),
            f"{entry.newest_event:%Y-%m-%d %H:%M}" if entry.newest_event else None,
            Text(entry.state.value, style=styles[entry.state.value]),
        )
        for entry in found
    ]
    columns = ("view", "entity", "definition", "TTL", "newest event (UTC)", "state")
    console.print(table(columns, rows, whole=columns[2:]))


def _show_search(console: Console, found: Found) -> None:
    if found.hits:
        rows = [(hit.name, hit.description, hit.owner, ", ".join(hit.matched)) for hit in found.hits]
        console.print(table(("name", "description", "owner", "matched"), rows))
    else:
        note("nothing matches; headwater features list shows all views")
    if found.suggestions:
        note(f"did you mean {', '.join(found.suggestions)}?")
