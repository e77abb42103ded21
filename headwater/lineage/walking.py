"""Walks the graph: upwards to what a node was made from, downwards to what was made from it, and between two nodes."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import NamedTuple

from headwater.graph import Contribution, Edge, Node, Places
from headwater.lineage.index import Direction, Index, merged

READERS = 16
MOST_NODES = 10_000


class Found(NamedTuple):
    """A part of the graph."""

    start: Node
    nodes: tuple[Node, ...]
    """In the order in which the walk met them: the start first."""
    edges: tuple[Edge, ...]
    cut: bool = False
    """Whether the walk broke off at its largest number of nodes: there is more."""


class Moment(NamedTuple):
    """Which edges count."""

    at: datetime | None = None
    """Only what had come to be by then (valid time)."""
    known: datetime | None = None
    """Only what was written down by then (recorded time)."""

    def has(self, edge: Edge) -> bool:
        """Whether an edge counts."""
        return (self.at is None or edge.at <= self.at) and (self.known is None or edge.seen <= self.known)


NOW = Moment()


class Walker:
    """Reads edges from the index, and those that a capability computes when somebody asks.

    Parameters
    ----------
    index : Index
    contributions : mapping
        By the capability's name.
    places : Places
        Where the stack keeps its facts.
    """

    def __init__(self, index: Index, contributions: Mapping[str, Contribution], places: Places) -> None:
        self._index, self._places = index, places
        self._above = {kind: more for entry in contributions.values() for kind, more in entry.above.items()}
        self._below = {kind: more for entry in contributions.values() for kind, more in entry.below.items()}

    def edges(self, node: Node, direction: Direction, moment: Moment = NOW) -> tuple[Edge, ...]:
        """The edges of one node in a direction."""
        found = list(self._index.edges(node, direction))
        if direction == "UP" and node.kind in self._above:
            found += self._above[node.kind](self._places, node, self._index)
        if direction == "DOWN" and node.kind in self._below:
            found += self._below[node.kind](self._places, node, self._index)
        return merged(edge for edge in found if moment.has(edge))

    def walk(
        self,
        start: Node,
        direction: Direction,
        *,
        depth: int | None = None,
        moment: Moment = NOW,
        kinds: Collection[str] = (),
        most: int = MOST_NODES,
    ) -> Found:
        """Everything within ``depth`` edges of ``start`` in one direction.

        Parameters
        ----------
        start : Node
        direction : {"UP", "DOWN"}
        depth : int, optional
            By default all the way.
        moment : Moment
            Which edges count.
        kinds : collection of str
            Kinds of nodes to show; the walk goes through all others, too. By default all are shown.
        most : int
            Nodes at which the walk breaks off.
        """
        seen, edges = {start: None}, dict[tuple[Node, str, Node], Edge]()
        level, left = [start], depth
        while level and left != 0 and len(seen) < most:
            following = dict[Node, None]()
            for found in self._of_all(level, direction, moment):
                for edge in found:
                    other = edge.above if direction == "UP" else edge.below
                    edges[edge.below, edge.role.value, edge.above] = edge
                    if other not in seen:
                        following[other] = None
            level = list(following)[: most - len(seen)]
            seen |= dict.fromkeys(level)
            left = None if left is None else left - 1
        inside = tuple(edge for edge in edges.values() if edge.below in seen and edge.above in seen)
        cut = len(inside) < len(edges) or (bool(level) and left != 0)
        if not kinds:
            return Found(start, tuple(seen), inside, cut)
        shown = {node for node in seen if node == start or node.kind in kinds}
        return Found(start, tuple(node for node in seen if node in shown), _through(inside, shown), cut)

    def path(self, one: Node, other: Node, moment: Moment = NOW) -> tuple[Edge, ...] | None:
        """The edges of a shortest way between two nodes, from the one that was made last; None if there is none.

        Neither has to be the earlier one: both directions are tried.
        """
        found = self._path(one, other, moment)
        return self._path(other, one, moment) if found is None else found

    def _path(self, below: Node, above: Node, moment: Moment) -> tuple[Edge, ...] | None:
        if below == above:
            return ()
        came: dict[Node, Edge] = {}
        waiting = deque([below])
        while waiting:
            level = list(waiting)
            waiting.clear()
            for found in self._of_all(level, "UP", moment):
                for edge in found:
                    if edge.above in came or edge.above == below:
                        continue
                    came[edge.above] = edge
                    waiting.append(edge.above)
            if above in came:
                return _back(came, below, above)
        return None

    def _of_all(self, level: Sequence[Node], direction: Direction, moment: Moment) -> Iterable[tuple[Edge, ...]]:
        if len(level) == 1:
            return [self.edges(level[0], direction, moment)]
        with ThreadPoolExecutor(min(READERS, len(level)), thread_name_prefix="lineage") as pool:
            return list(pool.map(lambda node: self.edges(node, direction, moment), level))


def _back(came: Mapping[Node, Edge], below: Node, above: Node) -> tuple[Edge, ...]:
    found, node = [], above
    while node != below:
        found.append(came[node])
        node = came[node].below
    return tuple(reversed(found))


def _through(edges: Sequence[Edge], shown: Collection[Node]) -> tuple[Edge, ...]:
    """Edges among the shown nodes; a way through hidden ones becomes one edge."""
    above: dict[Node, list[Edge]] = {}
    for edge in edges:
        above.setdefault(edge.below, []).append(edge)
    found: dict[tuple[Node, Node], Edge] = {}
    for node in shown:
        waiting, seen = list(above.get(node, ())), set[Node]()
        while waiting:
            edge = waiting.pop(0)
            if edge.above in seen:
                continue
            seen.add(edge.above)
            if edge.above in shown:
                found.setdefault((node, edge.above), edge._replace(below=node))
            else:
                waiting += above.get(edge.above, ())
    return tuple(found[key] for key in sorted(found))
