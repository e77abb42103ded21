"""Lineage of feature views: their rows are made from commits of their sources, under a definition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headwater.features.definitions import NAMES, Definition
from headwater.features.online.records import Materialisation
from headwater.graph import Contribution, Edge, Known, Log, Node, NodeKind, Places, Role, Told
from headwater.lake.types import STREAMED, dataset_of
from headwater.storage.logs import ItemLog
from headwater.versions.dataset import Dataset
from headwater.versions.facts import branches, commit_node
from headwater.versions.types import Change, Commit


def definition_node(view: str, version: str) -> Node:
    """The node of a view's definition."""
    return Node("definition", f"view/{view}", version)


def view_node(view: str, version: str, data_version: str) -> Node:
    """The node of a view's rows: of one definition, from one version of the data."""
    return Node("view", view, f"{version}/{data_version}")


def edges_of_view(
    view: str, version: str, data_version: str, commits: Mapping[str, str], template: Edge
) -> Iterator[Edge]:
    """The edges from a view's rows to its definition and to the commits that they were computed from.

    ``template`` has the times and the fact.
    """
    node = view_node(view, version, data_version)
    yield template._replace(below=node, role=Role.DEFINED_BY, above=definition_node(view, version))
    for source, commit in sorted(commits.items()):
        yield template._replace(below=node, role=Role.READ, above=commit_node(dataset_of(source), commit))


def _tell_definition(item: dict[str, Any]) -> Told:
    found = Definition.model_validate_json(item["document"])
    # The owner when it was first declared so: a later one is told by an annotation.
    owner = {"owner": found.view.owner} if found.view.owner else {}
    notes = {"features": ", ".join(feature.name for feature in found.view.features), **owner}
    node = definition_node(found.view.name, found.version)
    return Told(nodes=[Known(node, found.at, found.at, _fact(item), notes)])


def _tell_materialisation(item: dict[str, Any]) -> Told:
    # A repeated run moves some fields of the record: only what the first run wrote is told.
    done = Materialisation.model_validate_json(item["document"])
    node, fact = view_node(done.view, done.version, done.data_version), _fact(item)
    template = Edge(node, Role.READ, node, done.at, done.at, fact)
    edges = list(edges_of_view(done.view, done.version, done.data_version, done.commits, template))
    return Told(edges, [Known(node, done.at, done.at, fact, {"rows": str(done.rows)})])


def _fact(item: dict[str, Any]) -> str:
    return f"{item['pk']}/{item['sk']}"


def _tell_streamed(dataset: Dataset, name: str, commit: Commit, _: list[Change]) -> Told:
    """A commit of streamed rows is made under the definition that they were streamed for."""
    version = commit.meta.get("view_version")
    if version is None:
        return Told()
    above = definition_node(dataset.name.removeprefix(f"{STREAMED}/"), version)
    node, fact = commit_node(dataset.name, name), f"commit:{name}"
    return Told([Edge(node, Role.DEFINED_BY, above, commit.time, commit.time, fact)])


def _logs(places: Places) -> Iterator[Log[Told]]:
    table = places.table
    for item in table.query(NAMES, "NAME#"):
        view = item["sk"].removeprefix("NAME#")
        # Materialisations of older data may be recorded late.
        for name, tell in (("definition", _tell_definition), ("materialisation", _tell_materialisation)):
            yield ItemLog(
                name=f"features/{view}/{name}s", table=table, pk=f"VIEW#{view}", prefix=f"{name.upper()}#", tell=tell,
                is_ordered=False,
            )  # fmt: skip
    yield from branches(places, "features", _tell_streamed, prefix=f"{STREAMED}/")


FACTS = Contribution(
    kinds=[
        NodeKind(
            "view",
            "view:<name>@<definition>/<data version>",
            "the rows of a feature view: one definition's, from one version of the data",
        ),
    ],
    logs=_logs,
)
