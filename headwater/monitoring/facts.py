"""Lineage of watching: a figure of performance follows from a version's predictions, batches of labels and commits.

Neither is indexed: a window's figures are written down whenever they change, and a batch may be one call's labels.
Edges are read from what the hourly look and the writers of labels wrote, when somebody asks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Any

from headwater.graph import Contribution, Edge, InvalidNode, Node, NodeKind, Places, Reads, Role

_WATCH, _JUDGED = "WATCH#", "PERF#v"


def performance_node(model: str, version: int, until: date, known: datetime) -> Node:
    """The node of a version's figures over the window that ends on a day, as known at a moment."""
    return Node("performance", f"{model}/v{version}/{until.isoformat()}", known.astimezone(UTC).isoformat())


def labels_node(model: str, name: str) -> Node:
    """The node of a batch of written labels."""
    return Node("labels", model, name)


def _place_of(node: Node) -> tuple[str, int, date]:
    """Model, version and last day of a performance's node; raises `InvalidNode`."""
    try:
        model, version, day = node.name.rsplit("/", 2)
        return model, int(version.removeprefix("v")), date.fromisoformat(day)
    except ValueError as error:
        raise InvalidNode(f"{node.id}: expected performance:MODEL/vVERSION/YYYY-MM-DD@MOMENT") from error


def _judged(places: Places, model: str, prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Key and document of each judged window."""
    for item in places.table.query(f"{_WATCH}{model}", prefix):
        yield str(item["sk"]), json.loads(item["judged"])


def _above_performance(places: Places, node: Node, _: Reads) -> Iterable[Edge]:
    """The version whose predictions it is of, the labels that were known by then, and the commits that stood."""
    model, version, until = _place_of(node)
    for key, judged in _judged(places, model, f"{_JUDGED}{version}#{until.isoformat()}#"):
        known = datetime.fromisoformat(judged["known"])
        if known.astimezone(UTC).isoformat() == node.version:
            fact = f"{_WATCH}{model}/{key}"
            yield Edge(node, Role.ANSWERED_BY, Node("model", model, str(version)), known, known, fact)
            yield from _read(places, node, model, version, date.fromisoformat(judged["since"]), known, fact)


def _read(
    places: Places, node: Node, model: str, version: int, since: date, known: datetime, fact: str
) -> Iterator[Edge]:
    # Imported here: the function that indexes reads this module, and has no buckets of predictions.
    from headwater.lake.types import dataset_of
    from headwater.monitoring.labels.definitions import Definitions
    from headwater.monitoring.labels.errors import NoDefinition
    from headwater.monitoring.labels.store import LabelStore
    from headwater.monitoring.labels.types import RETENTION
    from headwater.registry.service import Registry
    from headwater.registry.store import ArtifactStore
    from headwater.versions.facts import commit_node
    from headwater.versions.refs import Refs
    from headwater.versions.types import MAIN

    table = places.table
    first = datetime(since.year, since.month, since.day, tzinfo=UTC) - RETENTION
    for batch in LabelStore(places.predictions_bucket, table, places.clients).batches(model, first, known):
        notes = {"labels": str(batch.labels), **({"origin": batch.origin} if batch.origin else {})}
        yield Edge(node, Role.READ, labels_node(model, batch.name), batch.received_at, known, fact, notes)
    try:
        product = Definitions(Registry(table), ArtifactStore(places.artifacts_bucket, places.clients)).product(
            model, version
        )
    except NoDefinition:
        return
    for source in product.models[0].examples.sources:
        dataset = dataset_of(source)
        stood = [move for move in Refs(table, dataset).log("branch", MAIN) if move.at <= known]
        if stood and (commit := stood[-1].to):
            yield Edge(node, Role.READ, commit_node(dataset, commit), stood[-1].at, known, fact)


def _above_labels(places: Places, node: Node, _: Reads) -> Iterable[Edge]:
    """The object that holds a batch, as long as it is there."""
    from headwater.monitoring.labels.store import LabelStore

    store = LabelStore(places.predictions_bucket, places.table, places.clients)
    batch = store.known(node.name, node.version)
    if batch is not None and (version := store.version_of(batch)) is not None:
        file = Node("file", f"s3://{places.predictions_bucket}/{batch.key}", version)
        fact = f"LABEL#{node.name}/NAME#{node.version}"
        yield Edge(node, Role.READ, file, batch.received_at, batch.received_at, fact)


def _below_labels(places: Places, node: Node, _: Reads) -> Iterable[Edge]:
    """The figures of performance that a batch was known for."""
    from headwater.monitoring.labels.store import LabelStore
    from headwater.monitoring.labels.types import RETENTION

    batch = LabelStore(places.predictions_bucket, places.table, places.clients).known(node.name, node.version)
    if batch is None:
        return
    for key, judged in _judged(places, node.name, _JUDGED):
        since, known = date.fromisoformat(judged["since"]), datetime.fromisoformat(judged["known"])
        first = datetime(since.year, since.month, since.day, tzinfo=UTC) - RETENTION
        if first <= batch.received_at <= known:
            below = performance_node(node.name, judged["version"], date.fromisoformat(judged["until"]), known)
            yield Edge(below, Role.READ, node, batch.received_at, known, f"{_WATCH}{node.name}/{key}")


FACTS = Contribution(
    kinds=[
        NodeKind(
            "performance",
            "performance:<model>/v<version>/<last day>@<moment>",
            "how good a version was over the days up to one, as it was known at a moment; not indexed",
            indexed=False,
        ),
        NodeKind(
            "labels",
            "labels:<model>@<sha256>",
            "labels that were written together, by the API or from a file; not indexed",
            indexed=False,
        ),
    ],
    above={"performance": _above_performance, "labels": _above_labels},
    below={"labels": _below_labels},
)
