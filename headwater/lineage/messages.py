"""Bodies of the API's lineage routes, in the shape of Marquez' graphs."""

from __future__ import annotations

# Pydantic reads no other TypedDict before Python 3.12.
from typing_extensions import TypedDict


class GraphEdge(TypedDict):
    """An edge in the direction of the data: from the origin the destination was made."""

    origin: str
    """Id of the node that the other one was made from."""
    destination: str
    """Id of the node that was made."""
    role: str
    """How: read, defined_by, made_by, trained_on, ran_on, built_from, deployed or answered_by."""


class NodeData(TypedDict):
    """A node's parts."""

    kind: str
    """Kind of the node, such as ``model``."""
    name: str
    """Name of the thing."""
    version: str
    """Version of the thing; empty of a thing that has but one."""


class GraphNode(TypedDict):
    """A node with its edges within the answer."""

    id: str
    """Id of the node."""
    type: str
    """Kind of the node in capitals."""
    data: NodeData
    """The id's parts."""
    inEdges: list[GraphEdge]
    """Edges from what it was made from."""
    outEdges: list[GraphEdge]
    """Edges to what was made from it."""


class LineageAnswer(TypedDict):
    """A part of the graph around a node."""

    graph: list[GraphNode]
    """The nodes, the one that was asked for first."""
    cut: bool
    """Whether there is more than an answer holds."""


class EventAnswer(TypedDict):
    """Receipt of an OpenLineage event."""

    id: str
    """Hash of the event: the same event sent again has the same one."""
    new: bool
    """False if it was known already."""
