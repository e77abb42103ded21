"""One form of a graph, whatever the order of its nodes and edges, and the content address of that form."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from headwater.graph import Edge, InvalidNode, Node

LAYOUT_VERSION = 1
"""Part of a picture's address. Whoever changes how a graph is laid out raises the version."""


@dataclass(frozen=True)
class Link:
    """All facts that tell one thing: ``below`` was made from ``above`` in this role."""

    below: str
    role: str
    above: str
    facts: Sequence[Edge]
    """By the time at which they came to be."""


@dataclass(frozen=True)
class Graph:
    """Nodes and links, each once, in the order of their ids."""

    nodes: Sequence[Node]
    links: Sequence[Link]

    @cached_property
    def ids(self) -> Sequence[str]:
        """Ids of the nodes."""
        return [node.id for node in self.nodes]

    @cached_property
    def name(self) -> str:
        """The content address, as `name_of` returns it."""
        document = {
            "layout": LAYOUT_VERSION,
            "nodes": self.ids,
            "edges": [[link.below, link.role, link.above] for link in self.links],
        }
        return hashlib.sha256(json.dumps(document, separators=(",", ":"), sort_keys=True).encode()).hexdigest()


def canonical(nodes: Sequence[Node], edges: Sequence[Edge]) -> Graph:
    """The graph in its one form; the ends of edges are nodes of it, also those that ``nodes`` lacks."""
    ids = {node.id for node in nodes}
    told: dict[tuple[str, str, str], list[Edge]] = {}
    for edge in edges:
        key = (edge.below.id, str(edge.role), edge.above.id)
        ids |= {key[0], key[2]}
        told.setdefault(key, []).append(edge)
    links = [
        Link(*key, facts=sorted(told[key], key=lambda edge: (edge.at, edge.seen, edge.fact))) for key in sorted(told)
    ]
    return Graph([node_of(each) for each in sorted(ids)], links)


def node_of(text: str) -> Node:
    """The node that an id names; of an id that `Node.parse` refuses, what stands before and after the colon."""
    # The picture must depend on the id alone, since its address does: two nodes can differ and have one id.
    try:
        return Node.parse(text)
    except InvalidNode:
        kind, _, name = text.partition(":")
        return Node(kind, name)


def name_of(nodes: Sequence[Node], edges: Sequence[Edge]) -> str:
    """The content address of a graph's layout, so that it is computed once and kept.

    Parameters
    ----------
    nodes : sequence of Node
    edges : sequence of Edge
        In any order, also several times.

    Returns
    -------
    str
        The SHA-256, in hexadecimal, of canonical JSON: ids of the nodes, ids and role of each edge, and
        `LAYOUT_VERSION`. Times, facts and notes of edges change no layout and aren't part of it.
    """
    return canonical(nodes, edges).name
