"""Parts of the graph, as the client hands them out."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from headwater.client.errors import needed
from headwater.graph import Edge, Node, Role
from headwater.values import Value

if TYPE_CHECKING:
    import networkx
    import pandas


class Step(Value):
    """An edge: ``below`` was made from ``above``."""

    below: str
    role: str
    above: str
    at: datetime
    """When it came to be, UTC."""
    seen: datetime
    """When it was written down, UTC."""
    fact: str
    """The record that says so."""


class NodeFact(Value):
    """A fact about a node itself."""

    node: str
    at: datetime
    seen: datetime
    fact: str
    notes: dict[str, str]


class Part(Value):
    """A part of the graph around a node."""

    start: str
    nodes: tuple[str, ...]
    """The start first, then in the order of the walk."""
    edges: tuple[Step, ...]
    cut: bool = False
    """Whether there is more than the walk could hold."""
    at: datetime | None = None
    """Only what had come to be by then; None: now."""
    known: datetime | None = None
    """Only what was written down by then; None: now."""

    def around(self, other: Part) -> Part:
        """This part and another one of the same node, such as what is above it and what is below it."""
        edges = {(edge.below, edge.role, edge.above): edge for edge in (*self.edges, *other.edges)}
        nodes = tuple(dict.fromkeys((*self.nodes, *other.nodes)))
        cut = self.cut or other.cut
        return self.model_copy(update={"nodes": nodes, "edges": tuple(edges.values()), "cut": cut})

    def graph(self) -> tuple[list[Node], list[Edge]]:
        """The nodes and edges as values of `headwater.graph`."""
        edges = [
            Edge(Node.parse(edge.below), Role(edge.role), Node.parse(edge.above), edge.at, edge.seen, edge.fact)
            for edge in self.edges
        ]
        return [Node.parse(node) for node in self.nodes], edges

    def dot(self) -> str:
        """The graph as text for Graphviz."""
        from headwater.lineage.pictures.dot import dot

        return dot(*self.graph(), start=Node.parse(self.start))

    def prov(self) -> str:
        """The graph as PROV-JSON, the W3C's words for provenance."""
        from headwater.lineage.pictures.prov import prov_json

        return prov_json(*self.graph())

    def frame(self) -> pandas.DataFrame:
        """The edges as a frame: columns below, role, above, at, seen, fact."""
        import pandas

        return pandas.DataFrame([edge.model_dump() for edge in self.edges], columns=list(Step.model_fields))

    def networkx(self) -> networkx.MultiDiGraph[str]:
        """The graph for NetworkX: edges lead from what was made to what it was made from, their key is the role."""
        with needed("a graph for NetworkX is made by networkx"):
            import networkx
        graph: networkx.MultiDiGraph[str] = networkx.MultiDiGraph()
        graph.add_nodes_from((node, {"kind": node.partition(":")[0]}) for node in self.nodes)
        for edge in self.edges:
            graph.add_edge(edge.below, edge.above, key=edge.role, at=edge.at, seen=edge.seen, fact=edge.fact)
        return graph


class TakenEvent(Value):
    """Receipt of an event."""

    id: str
    """Hash of the event: the same event sent again has the same one."""
    new: bool
    """False if it was known already."""
