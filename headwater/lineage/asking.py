"""A question of the API, checked, and its answer in the shape of Marquez' graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from headwater.errors import InvalidRequest
from headwater.graph import Edge, Node
from headwater.lineage.index import Direction
from headwater.lineage.messages import GraphEdge, GraphNode, LineageAnswer
from headwater.lineage.service import SHALLOW, LineageService
from headwater.lineage.walking import Found, Moment
from headwater.values import check_year

DEEPEST, MOST_NODES = 50, 1000
"""Edges that a question may go, and nodes of an answer: API Gateway waits 30 seconds and takes 6 MB."""
_DIRECTIONS: Mapping[str, Sequence[Direction]] = {"UP": ("UP",), "DOWN": ("DOWN",), "BOTH": ("UP", "DOWN")}
PARAMETERS = ("nodeId", "depth", "direction", "at", "known", "kind")


def ask(service: LineageService, query: Mapping[str, str]) -> LineageAnswer:
    """Answer ``GET /lineage``.

    Parameters
    ----------
    service : LineageService
    query : mapping
        ``nodeId``; ``depth`` (default 1); ``direction``: ``UP``, ``DOWN`` or ``BOTH`` (the default, as Marquez
        answers); ``at`` and ``known``: ISO 8601 with a time zone; ``kind``: kinds of nodes to show, joined by commas.

    Raises
    ------
    InvalidRequest, InvalidNode, UnknownNode, AmbiguousNode
        The message says what was given and what was expected.
    """
    if unknown := sorted(query.keys() - set(PARAMETERS)):
        raise InvalidRequest(f"no parameter {', '.join(unknown)}: expected {', '.join(PARAMETERS)}")
    if not query.get("nodeId"):
        raise InvalidRequest("nodeId is missing: expected a node, such as model:flight_delay@2")
    directions = _DIRECTIONS.get(query.get("direction", "BOTH").upper())
    if directions is None:
        raise InvalidRequest(f"direction {query['direction']!r}: expected {', '.join(_DIRECTIONS)}")
    depth, moment = _depth(query.get("depth")), Moment(_time(query, "at"), _time(query, "known"))
    kinds = [kind for kind in query.get("kind", "").split(",") if kind]
    node = service.resolve(query["nodeId"])
    walks = [
        service.walk(node, direction, depth=depth, moment=moment, kinds=kinds, most=MOST_NODES)
        for direction in directions
    ]
    return shaped(walks)


def shaped(walks: Sequence[Found]) -> LineageAnswer:
    """Walks from one node as one graph."""
    edges = {(edge.below, edge.role.value, edge.above): edge for walk in walks for edge in walk.edges}
    above: dict[Node, list[GraphEdge]] = {}
    below: dict[Node, list[GraphEdge]] = {}
    for edge in edges.values():
        above.setdefault(edge.below, []).append(_edge(edge))
        below.setdefault(edge.above, []).append(_edge(edge))
    nodes = dict.fromkeys(node for walk in walks for node in walk.nodes)
    graph: list[GraphNode] = [
        {
            "id": node.id,
            "type": node.kind.upper(),
            "data": {"kind": node.kind, "name": node.name, "version": node.version},
            "inEdges": above.get(node, []),
            "outEdges": below.get(node, []),
        }
        for node in nodes
    ]
    return {"graph": graph, "cut": any(walk.cut for walk in walks)}


def _edge(edge: Edge) -> GraphEdge:
    return {"origin": edge.above.id, "destination": edge.below.id, "role": edge.role.value}


def _depth(text: str | None) -> int:
    if text is None:
        return SHALLOW
    if not (text.isascii() and text.isdecimal() and 1 <= len(text) <= 3 and 1 <= int(text) <= DEEPEST):
        raise InvalidRequest(f"depth {text[:20]!r}: expected a whole number from 1 to {DEEPEST}")
    return int(text)


def _time(query: Mapping[str, str], name: str) -> datetime | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        # A plus sign in a query that nobody quoted is a blank by now.
        time = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text)
    except ValueError as error:
        raise InvalidRequest(f"{name} {text[:40]!r} is no time: write it as 2026-03-01T12:00:00Z") from error
    if time.tzinfo is None:
        raise InvalidRequest(f"{name} {text[:40]!r} has no time zone: write {time.isoformat()}Z for UTC")
    check_year(time, f"{name} {text[:40]!r}")
    return time.astimezone(UTC)
