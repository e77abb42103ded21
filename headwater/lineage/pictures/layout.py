"""Layout of a lineage graph: boxes in layers from left to right, and the ways of the edges between them.

Made from is left, made is right. Libraries were tried first and none fits: grandalf is under the GPL or the EPL and
had its last release in 2023; pyelk is under the EPL; fast-sugiyama is a compiled extension, knows no sizes of boxes
and gives another layout for another order of edges, as does graph-layout, which brings NumPy; dagviz draws no layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from headwater.graph import Edge, Node
from headwater.lineage.pictures.canonical import Graph, Link, canonical
from headwater.lineage.pictures.labels import columns, short_digests, shortened, visible
from headwater.lineage.pictures.layering import Arc, Layering, layered
from headwater.lineage.pictures.ordering import Layers, ordered
from headwater.lineage.pictures.placing import placed
from headwater.values import Value

MARGIN = 24
LETTER = 7.25
"""Width of a letter of a box, in the widest of the usual fonts of 12 pixels with letters of one width."""
SMALL_LETTER = 6.3
"""Width to reckon with for a letter of the 11 pixels of a role."""
NAME_COLUMNS, VERSION_COLUMNS = 28, 19
_PAD, _BOX_HEIGHT, _PORT, _LOOP = 11, 42, 17, 28
_STUB = 14
"""The straight end of an edge, at least as long as its arrow."""


class Box(Value):
    """A node's place, in pixels from the upper left corner."""

    id: str
    kind: str
    name: str
    """The whole name; `shown` is what fits the box."""
    version: str
    shown: tuple[str, str]
    """Name and version as they fit the box."""
    x: int
    y: int
    width: int
    height: int


class Route(Value):
    """An edge's way from the thing that was made to what it was made from."""

    below: str
    role: str
    above: str
    points: tuple[tuple[int, int], ...]
    """Neighbours at one height are joined by a line, all others by a curve that begins and ends level."""
    is_turned: bool = False
    """Whether the edge closes a cycle and so leads from left to right."""


class Label(Value):
    """A role beside a box, once for all edges that leave the box in that role."""

    node: str
    text: str
    x: int
    y: int
    anchor: Literal["start", "middle", "end"]


class Layout(Value):
    """A graph's picture without its looks: the same for every order of the same nodes and edges."""

    name: str
    """The content address, as `name_of` returns it."""
    width: int
    height: int
    boxes: tuple[Box, ...]
    """In the order of their ids."""
    layers: tuple[tuple[str, ...], ...]
    """Ids from left to right and from top to bottom."""
    routes: tuple[Route, ...]
    labels: tuple[Label, ...]

    @cached_property
    def box(self) -> dict[str, Box]:
        """Boxes by id."""
        return {each.id: each for each in self.boxes}


def lay_out(nodes: Sequence[Node], edges: Sequence[Edge]) -> Layout:
    """The layered layout of a graph.

    Parameters
    ----------
    nodes : sequence of Node
    edges : sequence of Edge
        In any order, also several times; ends that ``nodes`` lacks are drawn too. Cycles are cut at the edge that
        a depth-first walk in the order of ids finds to close them.

    Returns
    -------
    Layout
        Boxes that don't overlap, no edge through a box but for the longest of a graph whose edges take more than
        `headwater.lineage.pictures.layering.MOST_PASSING` steps, and every edge: one for each pair and role.
    """
    graph = canonical(nodes, edges)
    number = {each: place for place, each in enumerate(graph.ids)}
    arcs = {link: (number[link.above], number[link.below]) for link in _keys(graph.links)}
    layering = layered(len(number), arcs.values())
    layers = ordered(layering)
    sides = _Sides.of(len(number), arcs, layering)
    return _Geometry(graph, arcs, layering, layers, sides).layout()


class _Key(NamedTuple):
    below: str
    role: str
    above: str


def _keys(links: Sequence[Link]) -> Iterator[_Key]:
    return (_Key(link.below, link.role, link.above) for link in links)


_ARRIVALS = ""
"""The port at which edges end; every other port has a role's name."""


@dataclass(frozen=True)
class _Sides:
    """Ports of nodes: on each side one for arrivals, if there are any, and one for each role that leaves there."""

    left: list[dict[str, list[_Key]]]
    right: list[dict[str, list[_Key]]]
    loops: list[list[str]]
    """Roles in which a node was made from itself, as foreign events may claim."""

    @classmethod
    def of(cls, count: int, arcs: dict[_Key, Arc], layering: Layering) -> _Sides:
        made = cls([{} for _ in range(count)], [{} for _ in range(count)], [[] for _ in range(count)])
        for link, (above, below) in arcs.items():
            if above == below:
                made.loops[below].append(link.role)
                continue
            out, into = (made.right, made.left) if (above, below) in layering.turned else (made.left, made.right)
            out[below].setdefault(link.role, []).append(link)
            into[above].setdefault(_ARRIVALS, []).append(link)
        return made


class _Geometry:
    """Pixels of a graph whose layers have their order."""

    def __init__(self, graph: Graph, arcs: dict[_Key, Arc], layering: Layering, layers: Layers, sides: _Sides) -> None:
        self.graph, self.arcs, self.layering, self.layers, self.sides = graph, arcs, layering, layers, sides
        self.count = len(graph.nodes)
        self.shown = [_shown(node) for node in graph.nodes]
        ports = [max(len(left), len(right)) for left, right in zip(sides.left, sides.right, strict=True)]
        self.heights = [max(_BOX_HEIGHT, _PORT * each + 8) for each in ports]
        steps = layering.steps()
        self.middle = placed(layers, steps, apart=self._apart, is_passing=lambda item: item >= self.count)
        top = min((self.middle[item] - self._above(item) for item in range(len(self.middle))), default=0)
        self.middle = [each + MARGIN - top for each in self.middle]
        self._set_columns(steps)
        self.ports = [self._port_heights(node) for node in range(self.count)]

    def _above(self, item: int) -> int:
        if item >= self.count:
            return 0
        return self.heights[item] // 2 + (_LOOP if self.sides.loops[item] else 0)

    def _apart(self, upper: int, lower: int) -> int:
        passing = (upper >= self.count) + (lower >= self.count)
        down = self.heights[upper] // 2 if upper < self.count else 0
        other = self.layering.component[upper] != self.layering.component[lower]
        return down + self._above(lower) + (18, 16, 12)[passing] + 20 * other

    def _set_columns(self, steps: Sequence[tuple[int, int]]) -> None:
        """Set where each layer begins, where its boxes stand, and where it ends."""
        steepest = [0] * (len(self.layers) + 1)
        for one, other in steps:
            after = self.layering.layer[one]
            steepest[after] = max(steepest[after], abs(self.middle[one] - self.middle[other]))
        self.start: list[int] = []
        self.box_start: list[int] = []
        self.box_end: list[int] = []
        self.end: list[int] = []
        x = MARGIN
        for place, layer in enumerate(self.layers):
            nodes = [item for item in layer if item < self.count]
            self.start.append(x)
            x += max((_room(self.sides.left[node]) for node in nodes), default=0)
            self.box_start.append(x)
            x += max((self._box_width(node) for node in nodes), default=0)
            self.box_end.append(x)
            x += max((_room(self.sides.right[node]) for node in nodes), default=0)
            self.end.append(x)
            # The higher the climb, the longer its curve: about as steep everywhere.
            x += max(28, min(110, 20 + steepest[place] // 5))

    def _box_width(self, node: int) -> int:
        name, version = self.shown[node]
        kind = self.graph.nodes[node].kind
        letters = max(columns(name), columns(visible(kind)) + columns(version) + (2 if version else 0), 10)
        return int(letters * LETTER) + 2 * _PAD

    def _port_heights(self, node: int) -> tuple[dict[str, int], dict[str, int]]:
        """Heights of the ports on the left and on the right, in the order of the heights that their edges come from."""
        made = []
        for ports, beside in ((self.sides.left[node], -2), (self.sides.right[node], 1)):

            def mean(role: str, ports: dict[str, list[_Key]] = ports, beside: int = beside) -> float:
                near = [self.layering.paths[self.arcs[link]][beside] for link in ports[role]]
                return sum(self.middle[item] for item in near) / len(near)

            first = self.middle[node] - (len(ports) - 1) * _PORT // 2
            roles = sorted(ports, key=lambda role: (mean(role), role))
            made.append({role: first + place * _PORT for place, role in enumerate(roles)})
        return made[0], made[1]

    def layout(self) -> Layout:
        """All of it as one value."""
        boxes = [self._box(node) for node in range(self.count)]
        low = [each.y + each.height for each in boxes] + self.middle[self.count :]
        return Layout(
            name=self.graph.name,
            width=max(self.end, default=MARGIN) + MARGIN,
            height=max(low, default=MARGIN) + MARGIN,
            boxes=tuple(boxes),
            layers=tuple(tuple(self.graph.ids[item] for item in layer if item < self.count) for layer in self.layers),
            routes=tuple(self._route(link, boxes) for link in self.arcs),
            labels=tuple(label for node in range(self.count) for label in self._labels(node, boxes[node])),
        )

    def _box(self, number: int) -> Box:
        node, layer = self.graph.nodes[number], self.layering.layer[number]
        return Box(
            id=node.id,
            kind=node.kind,
            name=node.name,
            version=node.version,
            shown=self.shown[number],
            x=self.box_start[layer],
            y=self.middle[number] - self.heights[number] // 2,
            width=self.box_end[layer] - self.box_start[layer],
            height=self.heights[number],
        )

    def _route(self, link: _Key, boxes: Sequence[Box]) -> Route:
        above, below = arc = self.arcs[link]
        if above == below:
            box = boxes[below]
            right, left, top = box.x + box.width // 2 + 20, box.x + box.width // 2 - 20, box.y
            return Route(**link._asdict(), points=((right, top), (right, top - 12), (left, top - 12), (left, top)))
        is_turned = arc in self.layering.turned
        path = self.layering.paths[arc]
        leaves, arrives = (link.role, _ARRIVALS) if is_turned else (_ARRIVALS, link.role)
        heights = [self.middle[item] for item in path]
        heights[0], heights[-1] = self.ports[path[0]][1][leaves], self.ports[path[-1]][0][arrives]
        points: list[tuple[int, int]] = []
        for item, y in zip(path, heights, strict=True):
            layer = self.layering.layer[item]
            points += [
                (self.box_end[layer] if item == path[0] else self.start[layer], y),
                (self.box_start[layer] if item == path[-1] else self.end[layer], y),
            ]
        points = _without_needless(points)
        return Route(**link._asdict(), points=tuple(points if is_turned else reversed(points)), is_turned=is_turned)

    def _labels(self, node: int, box: Box) -> Iterator[Label]:
        left, right = self.ports[node]
        for ports, x, anchor in ((left, box.x - 6, "end"), (right, box.x + box.width + 6, "start")):
            for role, y in ports.items():
                if role != _ARRIVALS:
                    yield Label(node=box.id, text=role_shown(role), x=x, y=y - 4, anchor=anchor)  # type: ignore[arg-type]
        if roles := self.sides.loops[node]:
            text = ", ".join(map(role_shown, roles))
            yield Label(node=box.id, text=text, x=box.x + box.width // 2, y=box.y - 16, anchor="middle")


def role_shown(role: str) -> str:
    """A role in words."""
    return visible(role).replace("_", " ")


def _shown(node: Node) -> tuple[str, str]:
    name, version = short_digests(visible(node.name)), short_digests(visible(node.version))
    return shortened(name, NAME_COLUMNS), shortened(version, VERSION_COLUMNS)


def _room(ports: dict[str, list[_Key]]) -> int:
    """Pixels beside a box for the names of its ports and the straight ends of their edges."""
    if not ports:
        return 0
    return int(max(columns(role) for role in ports) * SMALL_LETTER) + _STUB


def _without_needless(points: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The points without those between two others at their height, and without doubles."""
    kept: list[tuple[int, int]] = []
    for point in points:
        if kept and kept[-1] == point:
            continue
        if len(kept) > 1 and kept[-2][1] == kept[-1][1] == point[1]:
            kept.pop()
        kept.append(point)
    return kept
