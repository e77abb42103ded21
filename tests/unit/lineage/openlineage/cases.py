"""Events as other tools send them, and what they tell."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from headwater.graph import Edge, Role, Told
from headwater.lineage.openlineage.naming import StackNames
from headwater.lineage.openlineage.reading import Event, told
from headwater.lineage.openlineage.receiving import receive

FOLDER = Path(__file__).parent
NAMES = StackNames(account="123456789012", region="eu-west-1", stack="dev", buckets=frozenset({"lake", "artifacts"}))
SEEN = datetime(2026, 11, 30, 12, tzinfo=UTC)
PRODUCER = "https://example.com/scheduler"
CORE = "https://openlineage.io/spec/facets"


def facet(name: str, version: str = "1-0-1", /, **fields: Any) -> dict[str, Any]:
    """A facet of OpenLineage's own, or any with a URL as its name."""
    url = name if "://" in name else f"{CORE}/{version}/{name}.json#/$defs/{name}"
    return {"_producer": PRODUCER, "_schemaURL": url, **fields}


def dataset(name: str, namespace: str = "warehouse", **facets: Any) -> dict[str, Any]:
    return {"namespace": namespace, "name": name, **({"facets": facets} if facets else {})}


def version(text: str) -> dict[str, Any]:
    return facet("DatasetVersionDatasetFacet", datasetVersion=text)


def symlinks(*names: tuple[str, str]) -> dict[str, Any]:
    identifiers = [{"namespace": namespace, "name": name, "type": "TABLE"} for namespace, name in names]
    return facet("SymlinksDatasetFacet", identifiers=identifiers)


def run(name: str) -> str:
    """A run's id by a name of its own."""
    return str(uuid5(NAMESPACE_URL, name))


def run_event(
    named: str = "load",
    *,
    of: str = "run",
    state: str = "COMPLETE",
    inputs: Iterable[dict[str, Any]] = (),
    outputs: Iterable[dict[str, Any]] = (),
    at: str = "2026-11-20T14:02:11Z",
    **changes: Any,
) -> dict[str, Any]:
    return {
        "eventTime": at,
        "eventType": state,
        "run": {"runId": run(of)},
        "job": {"namespace": "scheduler", "name": named},
        "inputs": list(inputs),
        "outputs": list(outputs),
        "producer": PRODUCER,
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        **changes,
    }


def dataset_event(one: dict[str, Any]) -> dict[str, Any]:
    return {
        "eventTime": "2026-11-20T15:00:00Z",
        "dataset": one,
        "producer": PRODUCER,
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/DatasetEvent",
    }


def received(event: dict[str, Any]) -> Event:
    return receive(json.dumps(event).encode(), NAMES)


def tell(*events: dict[str, Any]) -> Told:
    """What events tell together, received one after the other."""
    found = [told(received(event), NAMES, seen=SEEN) for event in events]
    return Told([edge for one in found for edge in one.edges], [node for one in found for node in one.nodes])


def lines(edges: Sequence[Edge]) -> set[str]:
    return {f"{edge.below} {edge.role} {edge.above}" for edge in edges}


def upstream(edges: Sequence[Edge], node: str) -> set[str]:
    """Ids of all nodes that a node was made from, by whatever number of edges."""
    found, open_nodes = set(), {node}
    while open_nodes:
        below = open_nodes.pop()
        above = {edge.above.id for edge in edges if edge.below.id == below}
        open_nodes |= above - found
        found |= above
    return found - {node}


def role_edges(edges: Sequence[Edge], role: Role) -> list[Edge]:
    return [edge for edge in edges if edge.role is role]


def scenario(name: str) -> list[dict[str, Any]]:
    paths = (FOLDER / "scenarios" / name).glob("*.json")
    return sorted((json.loads(path.read_bytes()) for path in paths), key=lambda event: event["eventTime"])
