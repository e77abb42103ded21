"""Answers of `headwater lineage`, as people read them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headwater.cli.output import show
from headwater.graph import Node

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console

    from headwater.client.lineage.parts import NodeFact, Part, Step
    from headwater.history.types import Update
    from headwater.lineage.differences import DataDifference, VersionDifference
    from headwater.lineage.impact import Impact, TouchedVersion
    from headwater.lineage.standing import Stood
    from headwater.lineage.why import ValueOrigin, Why

_SHORT = 12
_HASH = re.compile(r"[0-9a-f]{32,64}")
_FILES = 8
"""Files that are named of one source; --json has them all."""


def short(node: str) -> str:
    """A node's id with its hashes cut to twelve characters; `headwater lineage` takes it as it is."""
    kind, name, version = Node.parse(node)
    if kind == "file":
        return Node(kind, name, version[:_SHORT]).id
    name = _cut(name.removeprefix("sha256:")) if not version else name
    return Node(kind, name, "/".join(map(_cut, version.split("/")))).id


def show_why(console: Console, why: Why) -> None:
    """One screen from a prediction to everything that made it."""
    which = f" (instance {why.instance} of {why.instances})" if why.instances > 1 else ""
    answer = ", ".join(f"{name} {show(value)}" for name, value in why.answer.items())
    console.print(f"[bold]{why.model}@{why.version}[/bold] answered {answer}{which}", markup=True)
    with Rows(console) as rows:
        rows.add("asked", f"{_moment(why.received_at)}, as of {_moment(why.as_of)}", _words(why.inputs))
        for value in why.values:
            rows.add(value.view, _value(value), *_origin(value))
        rows.add("model", *_version(why))
        for commit in why.commits:
            made = f"{_moment(commit.at)} by {commit.by}: {commit.message}" if commit.at else commit.message
            upload = [f"upload {_short_uri(commit.upload)}"] if commit.upload else []
            rows.add("learnt from", f"{commit.dataset}@{_cut(commit.commit)}", made, *upload)
        rows.add("serves as", f"{why.alias}{_since(why)}")
        rows.add("code", *_code(why))
        if why.update is not None:
            rows.add("infra", _update(why.update))
    for note in why.notes:
        console.print(f"! {note}", style="yellow")


def _since(why: Why) -> str:
    if why.move is None:
        return ""
    by = f" by {why.move.by}" if why.move.by else ""
    return f" since {_moment(why.move.at)}{by} {_quoted(why.move.why)}".rstrip()


def _short_uri(uri: str) -> str:
    place, _, version = uri.partition("?versionId=")
    return f"{place}?versionId={version[:_SHORT]}"


def show_part(console: Console, part: Part, *, down: bool) -> None:
    """Print a part of the graph as a tree in which what is shared is drawn once."""
    from headwater.lineage.pictures.terminal import draw

    nodes, edges = part.graph()
    console.print(draw(nodes, edges, start=Node.parse(part.start), down=down))
    for words, time in (("what had come to be by", part.at), ("what was written down by", part.known)):
        if time is not None:
            console.print(f"Only {words} {time.isoformat()}.", style="yellow")
    if part.cut:
        console.print("There is more: give --depth or --kind.", style="yellow")


def show_path(console: Console, steps: Sequence[Step]) -> None:
    """A way between two nodes, from what was made last."""
    console.print(short(steps[0].below) if steps else "the same node", style="bold")
    for step in steps:
        console.print(f"  {step.role.replace('_', ' ')} {short(step.above)}")


def show_impacts(console: Console, impacts: Sequence[Impact]) -> None:
    """Print everything that each version of a thing touched."""
    for place, impact in enumerate(impacts):
        if place:
            console.print()
        _show_impact(console, impact)


def _show_impact(console: Console, impact: Impact) -> None:
    console.print(short(impact.node), style="bold", soft_wrap=True)
    lists = (("commits", impact.commits), ("views", impact.views), ("sets", impact.sets), ("others", impact.others))
    with Rows(console) as rows:
        for name, nodes in lists:
            rows.add(name, *map(short, nodes))
        for version in impact.versions:
            rows.add("model", f"{version.model}@{version.version} {version.status}", *served(version))
        if not (impact.versions or any(nodes for _, nodes in lists)):
            rows.add("", "nothing was made from it")
        rows.add("next", *impact.remedies)


def show_versions(console: Console, difference: VersionDifference) -> None:
    """From one version of a model to another."""
    console.print(
        f"[bold]{difference.model}[/bold] from version {difference.before} to {difference.after}", markup=True
    )
    with Rows(console) as rows:
        for data in difference.data:
            rows.add("data", *_data(data))
        for field in difference.fields:
            rows.add(field.kind, f"{field.name}: {_side(field.before)} -> {_side(field.after)}")
        if difference.same:
            rows.add("same", ", ".join(difference.same))


def show_stood(console: Console, stood: Stood) -> None:
    """Print the versions, commits and infrastructure of a time."""
    console.print(f"at {_moment(stood.at)}", style="bold")
    with Rows(console) as rows:
        for served in stood.served:
            by = f" by {served.by}" if served.by else ""
            learnt = ", ".join(f"{source}@{_cut(commit)}" for source, commit in sorted(served.commits.items()))
            rows.add(
                "served",
                f"{served.model}@{served.alias} -> version {served.version}",
                f"since {_moment(served.since)}{by} {_quoted(served.why)}".rstrip(),
                f"learnt from {learnt}; code {_cut(served.code_version.removeprefix('sha256:'))}",
            )
        if not stood.served:
            rows.add("served", "nothing")
        for head in stood.heads:
            rows.add("data", f"{head.dataset}@{_cut(head.commit)} since {_moment(head.since)} by {head.by}")
        rows.add("infra", _update(stood.update) if stood.update else "no update is known by then")


def show_facts(console: Console, facts: Sequence[NodeFact]) -> None:
    """Print the facts about a node itself."""
    for fact in facts:
        console.print(short(fact.node), style="bold", soft_wrap=True)
        with Rows(console) as rows:
            rows.add("since", _moment(fact.at))
            for name, value in fact.notes.items():
                rows.add(name, value)
            rows.add("says", fact.fact)


def _value(value: ValueOrigin) -> str:
    entity = ", ".join(f"{name} {show(key)}" for name, key in value.entity.items())
    if value.status == "GIVEN":
        return f"{entity}: given with the request"
    when = f" of {_moment(value.event_time)}" if value.event_time else ""
    return f"{entity}: {value.status.lower()}{when}: {_words(value.values)}"


def _origin(value: ValueOrigin) -> Iterator[str]:
    if value.materialised_at is not None:
        commits = ", ".join(f"{source}@{_cut(commit)}" for source, commit in sorted(value.commits.items()))
        yield f"definition {value.definition}, materialised {_moment(value.materialised_at)} from {commits}"
    elif value.status != "GIVEN":
        yield f"definition {value.definition}, no materialisation of it is recorded by then"


def _version(why: Why) -> Iterator[str]:
    trained = f" trained {_moment(why.trained_at)}" if why.trained_at else ""
    graph = f", graph {_cut(why.graph_sha256)}" if why.graph_sha256 else ""
    yield f"run {why.run_id}{trained}{graph}" + (f", set {_cut(why.training_set)}" if why.training_set else "")
    if why.started_by:
        yield f"started by {why.started_by}"
    if why.metrics:
        yield ", ".join(f"{name} {value:.4f}" for name, value in sorted(why.metrics.items()))
    if why.parameters:
        yield _words(why.parameters)


def _code(why: Why) -> Iterator[str]:
    if why.update is not None and why.update.commit:
        yield f"git {_cut(why.update.commit)} {_clean(why.update)}, deployed {_moment(why.update.ended_at)}"
    if why.code_version:
        what = "image" if why.code_version.startswith("sha256:") else "code"
        yield f"{what} {_cut(why.code_version.removeprefix('sha256:'))} trained it"
    if why.lock:
        yield f"lock {_short_uri(why.lock)}"
    if bundles := [short(node).removeprefix("bundle:") for node in why.deployed if node.startswith("bundle:")]:
        yield f"bundles {', '.join(bundles)}"


def _clean(update: Update) -> str:
    return {True: "with changes that weren't committed", False: "clean", None: ""}[update.dirty]


def _update(update: Update) -> str:
    by = f" by {update.by or update.author}" if update.by or update.author else ""
    return f"{update.of}@{_cut(update.id)} {update.kind} {update.result} {_moment(update.ended_at)}{by}"


def served(version: TouchedVersion) -> Iterator[str]:
    """When which alias pointed at a version, and the days of its predictions."""
    for each in version.aliases:
        until = f"until {_moment(each.until)}" if each.until else "still"
        yield f"{each.alias} from {_moment(each.since)} {until}"
    if version.days:
        days = f"{version.days[0]} to {version.days[-1]}" if len(version.days) > 1 else str(version.days[0])
        yield f"predictions of {len(version.days)} day{'s' * (len(version.days) > 1)}: {days}"


def _data(data: DataDifference) -> Iterator[str]:
    if data.before == data.after:
        yield f"{data.source} = @{_cut(data.before or '')}"
        return
    yield f"{data.source} {_side(data.before)} -> {_side(data.after)}"
    for change in data.files[:_FILES]:
        yield f"{change.kind} {change.path}"
    if left := len(data.files) - _FILES + data.more if len(data.files) > _FILES else data.more:
        yield f"and {left:,} files more"
    if data.unknown:
        yield data.unknown


def _side(value: Any) -> str:
    if value is None:
        return "(none)"
    return _cut(value.removeprefix("sha256:")) if isinstance(value, str) else show(value)


class Rows:
    """Labels and texts, each text as wide as the terminal leaves beside the labels."""

    def __init__(self, console: Console) -> None:
        from rich.table import Table

        self._console = console
        self._grid = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
        self._grid.add_column(no_wrap=True)
        # An id is copied whole: what is too long folds, it isn't cut.
        self._grid.add_column(overflow="fold")

    def __enter__(self) -> Rows:
        return self

    def __exit__(self, *_: object) -> None:
        self._console.print(self._grid)

    def add(self, name: str, *texts: str) -> None:
        """Lines under one label."""
        from rich.text import Text

        for place, text in enumerate(texts):
            self._grid.add_row(Text(f"  {name}" if not place else "", style="dim"), Text(text))


def _words(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {'missing' if value is None else show(value)}" for name, value in values.items())


def _quoted(text: str) -> str:
    return f"({text})" if text else ""


def _moment(time: datetime | None) -> str:
    return f"{show(time)} UTC" if time else "(unknown)"


def _cut(text: str) -> str:
    return text[:_SHORT] if _HASH.fullmatch(text) else text
