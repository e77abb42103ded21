"""`headwater lineage`: what was made from what, at any time."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.command import StackOption, YesOption, commands, connect, group
from headwater.cli.output import Answer, answered, insist, listed, note
from headwater.cli.times import day_of, time_of

if TYPE_CHECKING:
    from datetime import date, datetime

    from headwater.client.lineage.parts import Part

NodeArgument = Annotated[
    str,
    typer.Argument(
        help="Node: flight_delay@2, flight_delay@production, sources/flights@main~1, or an id such as set:8c22."
    ),
]
DepthOption = Annotated[int, typer.Option("--depth", "-d", min=0, help="Edges to go; 0: all the way.")]
KindOption = Annotated[
    list[str] | None, typer.Option("--kind", "-k", help="Show nodes of this kind only, such as model.")
]
AtOption = Annotated[
    str | None, typer.Option("--at", help="Only what had come to be by then: ISO 8601 with its time zone.")
]
KnownOption = Annotated[
    str | None, typer.Option("--known", help="Only what was written down by then: ISO 8601 likewise.")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    summary = "Lineage: what made a prediction, what a file touched, what stood when."
    lineage = group("lineage", summary, app)
    commands(
        lineage, why, up, down, path, impact, diff, at, show, annotate, forget, search, export, sync, verify, rebuild
    )


def why(
    request: Annotated[str, typer.Argument(help="The request_id of an answer.")],
    model: Annotated[str | None, typer.Option("--model", help="Spares looking through all models.")] = None,
    day: Annotated[
        str | None, typer.Option("--day", help="The request's day, UTC: YYYY-MM-DD, or its hour: YYYY-MM-DDTHH.")
    ] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="Without --day: days to look through.")] = 14,
    instance: Annotated[int, typer.Option("--instance", "-i", min=0, help="Which of the request's instances.")] = 0,
    stack: StackOption = None,
) -> Answer:
    """Show everything that made a prediction, from its data to the infrastructure."""
    from headwater.cli.render.lineage import show_why

    found = connect(stack).lineage.why(request, model=model, day=_day(day), days=days, instance=instance)
    return answered(found, show_why)


def up(
    node: NodeArgument,
    depth: DepthOption = 1,
    kind: KindOption = None,
    at: AtOption = None,
    known: KnownOption = None,
    stack: StackOption = None,
) -> Answer:
    """Show what a node was made from."""
    found = connect(stack).lineage.up(node, depth=depth or None, kinds=kind or (), at=_time(at), known=_time(known))
    return _part(found, down=False)


def down(
    node: NodeArgument,
    depth: DepthOption = 1,
    kind: KindOption = None,
    at: AtOption = None,
    known: KnownOption = None,
    stack: StackOption = None,
) -> Answer:
    """Show what was made from a node."""
    found = connect(stack).lineage.down(node, depth=depth or None, kinds=kind or (), at=_time(at), known=_time(known))
    return _part(found, down=True)


def path(
    one: NodeArgument,
    other: NodeArgument,
    at: AtOption = None,
    known: KnownOption = None,
    stack: StackOption = None,
) -> Answer:
    """Show a shortest way between two nodes; exits 1 if neither was made from the other."""
    from headwater.cli.render.lineage import show_path

    found = connect(stack).lineage.path(one, other, at=_time(at), known=_time(known))
    if found is None:
        note(f"neither of {one} and {other} was made from the other")
        return Answer(None, exit_code=1)
    return answered(found, show_path)


def impact(
    thing: Annotated[str, typer.Argument(help="Node, or the dataset of FILE, such as sources/flights.")],
    file: Annotated[str | None, typer.Argument(help="File as it was uploaded, or a path in the dataset.")] = None,
    version: Annotated[
        str, typer.Option("--version", "-v", help="First characters of one S3 version of the file; by default all.")
    ] = "",
    at: AtOption = None,
    known: KnownOption = None,
    stack: StackOption = None,
) -> Answer:
    """Show what a bad file, commit or definition touched, and the commands that put it right."""
    from headwater.cli.render.lineage import show_impacts

    found = connect(stack).lineage.impact(thing, file, version=version, at=_time(at), known=_time(known))
    return answered(found, show_impacts)


def diff(one: NodeArgument, other: NodeArgument, stack: StackOption = None) -> Answer:
    """Show the differences between two versions of a model, kind by kind."""
    from headwater.cli.render.lineage import show_versions

    return answered(connect(stack).lineage.diff(one, other), show_versions)


def at(
    time: Annotated[str, typer.Argument(help="ISO 8601 with its time zone, such as 2026-03-01T12:00Z.")],
    stack: StackOption = None,
) -> Answer:
    """Show what stood at a time: what served, from which data, on which infrastructure."""
    from headwater.cli.render.lineage import show_stood

    return answered(connect(stack).lineage.at(time_of(time)), show_stood)


def show(node: NodeArgument, stack: StackOption = None) -> Answer:
    """Show what is known of a node itself: who made it, when, from which tree of code."""
    from headwater.cli.render.lineage import show_facts

    found = connect(stack).lineage.facts(node)
    nothing = f"nothing is known of {node} itself; its edges: headwater lineage up {node}"
    return answered(found, show_facts, nothing=nothing)


def annotate(
    node: NodeArgument,
    text: Annotated[str, typer.Argument(help="Note in one line.")] = "",
    owner: Annotated[str, typer.Option("--owner", help="Who owns the node: a person, a team, an address.")] = "",
    stack: StackOption = None,
) -> Answer:
    """Write a note on a node down, or who owns it; it can't be taken back."""
    found = connect(stack).lineage.annotate(node, text, owner=owner)
    note(f"written down; next: headwater lineage show {found.node}")
    return Answer(found)


def forget(
    key: Annotated[
        list[str] | None, typer.Option("--key", "-k", help="Join key as name=value; several name one entity.")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option("--column", "-c", help="Instead: source.column=value, of one source.")
    ] = None,
    days: Annotated[int, typer.Option("--days", min=0, help="Last days of the prediction log to look through.")] = 14,
    stack: StackOption = None,
) -> Answer:
    """Show what of a person or thing lies where, and what removing it does; removes nothing."""
    from headwater.cli.progress import counting
    from headwater.cli.render.forgetting import show_forgetting

    keys, columns = _pairs("--key", key), _pairs("--column", column)
    lineage = connect(stack).lineage
    with counting("looking through files") as progress:
        found = lineage.forget(keys, columns=columns, days=days, progress=progress)
    if found.is_empty:
        note(f"nothing of {found.entity} was found; --json tells what was looked through")
    return answered(found, show_forgetting)


def search(
    words: Annotated[list[str], typer.Argument(help="Words that a name must have in it.")],
    kind: KindOption = None,
    stack: StackOption = None,
) -> Answer:
    """Search for things by name."""
    found = connect(stack).lineage.search(*words, kinds=kind or ())
    return listed(("thing",), [(thing,) for thing in found], list(found), nothing="nothing is called that")


class Format(StrEnum):
    """A format of a graph."""

    JSON = "json"
    SVG = "svg"
    DOT = "dot"
    PROV = "prov"


def export(
    node: NodeArgument,
    depth: DepthOption = 0,
    kind: KindOption = None,
    at: AtOption = None,
    known: KnownOption = None,
    form: Annotated[
        Format, typer.Option("--format", "-f", help="JSON, a picture (SVG), Graphviz (DOT) or the W3C's PROV-JSON.")
    ] = Format.JSON,
    to: Annotated[Path | None, typer.Option("--to", help="File to write; by default stdout.")] = None,
    stack: StackOption = None,
) -> Answer:
    """Write the graph around a node, upwards and downwards, as a picture or for other tools."""
    lineage = connect(stack).lineage
    above, below = (
        ask(node, depth=depth or None, kinds=kind or (), at=_time(at), known=_time(known))
        for ask in (lineage.up, lineage.down)
    )
    part = above.around(below)
    if part.cut:
        note("the graph is cut: it has more nodes than a walk holds; give --depth or --kind")
    written: dict[Format, Callable[[], str]] = {
        Format.JSON: part.model_dump_json,
        Format.SVG: lambda: lineage.svg(part, title=f"Lineage of {part.start}"),
        Format.DOT: part.dot,
        Format.PROV: part.prov,
    }
    text = written[form]()
    if to is None:
        return Answer(part, lambda _: typer.echo(text))
    to.write_text(text, encoding="utf-8")
    note(f"{len(part.nodes):,} nodes and {len(part.edges):,} edges written to {to}")
    return Answer({"file": str(to), "nodes": len(part.nodes), "edges": len(part.edges)})


def sync(stack: StackOption = None) -> Answer:
    """Index the facts of the last minutes; the stack does so every hour."""
    found = connect(stack).lineage.sync()
    note(f"{found.facts:,} facts, {found.items:,} items written")
    return Answer(found)


def verify(stack: StackOption = None) -> Answer:
    """Compare the index with the facts; exits 4 if they differ."""
    found = connect(stack).lineage.verify()
    if not found.differing:
        unchecked = f"; {found.unchecked:,} more, of facts whose objects were deleted since" if found.unchecked else ""
        note(f"{found.items:,} items, all as the facts tell them{unchecked}")
        return Answer(found)
    for what, items in (("missing", found.missing), ("told by no fact", found.surplus)):
        for item in items:
            note(f"{what}: {item}")
    note(f"{found.differing:,} of {found.items:,} items differ; next: headwater lineage rebuild")
    return Answer(found, exit_code=4)


def rebuild(yes: YesOption = False, stack: StackOption = None) -> Answer:
    """Delete the index and make it again from the facts, byte for byte."""
    cloud = connect(stack)
    question = f"Delete the lineage index of stack {cloud.description.name!r} and make it again?"
    insist(question, yes, "headwater lineage verify")
    found = cloud.lineage.rebuild()
    note(f"{found.facts:,} facts, {found.items:,} items written")
    return Answer(found)


def _part(found: Part, *, down: bool) -> Answer:
    from headwater.cli.render.lineage import show_part

    return Answer(found, lambda console: show_part(console, found, down=down))


def _pairs(option: str, given: list[str] | None) -> dict[str, str]:
    """``name=value`` options as a mapping."""
    found: dict[str, str] = {}
    for one in given or ():
        name, equals, value = one.partition("=")
        if not (name and equals):
            raise typer.BadParameter(f"{option} {one!r}: expected name=value")
        if name in found:
            raise typer.BadParameter(f"{option} {name!r} is given twice: ask about one entity after the other")
        found[name] = value
    return found


def _time(text: str | None) -> datetime | None:
    return None if text is None else time_of(text)


def _day(text: str | None) -> date | datetime | None:
    """A day, or a moment of it."""
    if text is None:
        return None
    if "T" in text:
        return time_of(text, "--day")
    return day_of(text, "--day", example="2026-03-01, or its hour as 2026-03-01T14")
