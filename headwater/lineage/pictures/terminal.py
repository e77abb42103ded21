"""A lineage graph as a tree in a terminal, in which each node is drawn once and referred to afterwards.

A tree that copies what is shared grows exponentially: under eight views, two sets and two models one file would stand
there dozens of times. Here whatever is met again has a number, ``#3``, and its other mentions are ``see #3``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from headwater.graph import Edge, Node, Role
from headwater.lineage.pictures.canonical import Graph, canonical
from headwater.lineage.pictures.colours import colour_of
from headwater.lineage.pictures.labels import REPLACEMENT, short_digests, shortened, visible

LEAST_LABEL = 36
"""Columns that role and id keep beside the branches; what is deeper is drawn further down, from the left edge."""
DEEPEST = 50
"""Levels of a tree where nothing limits the width: a chain of thousands would be more space than text."""
_LEAST_ID, _LEAST_VERSION = 10, 6
_RANK = {role: place for place, role in enumerate(Role)}


@dataclass(frozen=True)
class _Signs:
    branch: str
    last: str
    passing: str
    up: str
    down: str
    ellipsis: str


_UNICODE = _Signs("├─ ", "└─ ", "│  ", "→", "←", "…")
_ASCII = _Signs("|- ", "`- ", "|  ", "->", "<-", "..")


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A graph for ``console.print``: as wide as the terminal; without a terminal as wide as the ids are."""

    nodes: Sequence[Node]
    edges: Sequence[Edge]
    start: Node | None = None
    down: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """One line a node; ASCII where the terminal's encoding has no more."""
        # Without a terminal nothing has to fit: the reader is grep or a log.
        width = options.max_width if console.is_terminal else None
        drawn = lines(
            self.nodes, self.edges, width=width, start=self.start, down=self.down, ascii_only=options.ascii_only
        )
        for line in drawn:
            line.no_wrap, line.overflow = True, "ignore"
            yield line


def draw(nodes: Sequence[Node], edges: Sequence[Edge], *, start: Node | None = None, down: bool = False) -> Drawing:
    """A drawing of the graph for ``console.print``; arguments as `lines` takes them."""
    return Drawing(nodes=nodes, edges=edges, start=start, down=down)


def lines(
    nodes: Sequence[Node],
    edges: Sequence[Edge],
    *,
    width: int | None,
    start: Node | None = None,
    down: bool = False,
    ascii_only: bool = False,
) -> list[Text]:
    """The graph's lines.

    Parameters
    ----------
    nodes : sequence of Node
    edges : sequence of Edge
        In any order; the picture is the same for each.
    width : int or None
        Columns that no line exceeds; None leaves every id whole.
    start : Node or None
        The node at the top. Nodes that can't be reached from it have trees of their own below. By default, and when
        the graph doesn't have it, the trees begin at the nodes that nothing was made from.
    down : bool
        Whether below a node stands what was made from it, instead of what it was made from.
    ascii_only : bool
        Whether to do without other characters; those of names are escaped.

    Returns
    -------
    list of Text
        Names in them are no markup. A role with an arrow to the right says how the node above it in the tree stands to
        the node after the arrow; with an arrow to the left it is the other way around.
    """
    graph = canonical(nodes, edges)
    deepest = max(2, (width - LEAST_LABEL) // 3) if width is not None else DEEPEST
    signs = _ASCII if ascii_only else _UNICODE
    mentions = list(_trees(graph, start.id if start else None, down, deepest, signs))
    numbers: dict[str, int] = {}
    for each in mentions:
        if each.is_second:
            numbers.setdefault(each.id, 0)
    anchors = (each.id for each in mentions if each.is_anchor and each.id in numbers)
    numbers.update({each: place for place, each in enumerate(anchors, 1)})
    style = _Style(width, signs, signs.down if down else signs.up, ascii_only, start.id if start else None)
    known = dict(zip(graph.ids, graph.nodes, strict=True))
    return [_line(each, known[each.id], numbers.get(each.id), style) for each in mentions]


class _Mention(NamedTuple):
    """One line: a node for the first time, or again."""

    id: str
    role: str
    prefix: str
    is_second: bool = False
    is_postponed: bool = False
    """Whether the node's own tree follows further down, from the left edge."""

    @property
    def is_anchor(self) -> bool:
        """Whether the node's tree hangs below this line."""
        return not self.is_second


class _Waiting(NamedTuple):
    id: str
    role: str
    prefix: str
    below: str
    """The prefix of what hangs below the line."""
    depth: int


def _trees(graph: Graph, start: str | None, down: bool, deepest: int, signs: _Signs) -> Iterator[_Mention]:
    following = _following(graph, down)
    drawn: set[str] = set()
    for root in _roots(graph, following, start):
        postponed = [root] if root not in drawn else []
        for begun in postponed:  # grows while it is walked
            waiting = [_Waiting(begun, "", "", "", 0)]
            drawn.discard(begun)
            while waiting:
                each = waiting.pop()
                if each.id in drawn:
                    yield _Mention(each.id, each.role, each.prefix, is_second=True)
                    continue
                drawn.add(each.id)
                children = following.get(each.id, ())
                if children and each.depth >= deepest:
                    postponed.append(each.id)
                    yield _Mention(each.id, each.role, each.prefix, is_second=True, is_postponed=True)
                    continue
                yield _Mention(each.id, each.role, each.prefix)
                waiting += reversed(list(_hung(children, each, signs)))


def _hung(children: Sequence[tuple[str, str]], parent: _Waiting, signs: _Signs) -> Iterator[_Waiting]:
    for place, (role, child) in enumerate(children, 1):
        branch, passing = (signs.last, "   ") if place == len(children) else (signs.branch, signs.passing)
        yield _Waiting(child, role, parent.below + branch, parent.below + passing, parent.depth + 1)


def _following(graph: Graph, down: bool) -> Mapping[str, Sequence[tuple[str, str]]]:
    """Roles and ids of what hangs below each node, in the order of the roles and then of the ids."""
    roles: dict[str, dict[str, list[str]]] = {}
    for link in graph.links:
        parent, child = (link.above, link.below) if down else (link.below, link.above)
        roles.setdefault(parent, {}).setdefault(child, []).append(link.role)

    def rank(role: str) -> tuple[int, str]:
        return (_RANK[Role(role)] if role in _RANK else len(_RANK)), role

    found = {}
    for parent, children in roles.items():
        order = sorted(children, key=lambda child: (min(map(rank, children[child])), child))
        found[parent] = [(", ".join(sorted(children[child], key=rank)), child) for child in order]
    return found


def _roots(graph: Graph, following: Mapping[str, Sequence[tuple[str, str]]], start: str | None) -> Sequence[str]:
    """The start, then nodes that hang below none, then the others: those in cycles are reached from none before."""
    hung = {child for children in following.values() for _, child in children}
    first = [start] if start is not None and start in set(graph.ids) else []
    return [*first, *(each for each in graph.ids if each not in hung), *graph.ids]


@dataclass(frozen=True)
class _Style:
    width: int | None
    signs: _Signs
    arrow: str
    ascii_only: bool
    start: str | None

    def plain(self, text: str) -> str:
        """The text without characters that harm or that the terminal doesn't have."""
        text = visible(text)
        return text.replace(REPLACEMENT, "?").encode("ascii", "backslashreplace").decode() if self.ascii_only else text


def _line(mention: _Mention, node: Node, number: int | None, style: _Style) -> Text:
    suffix = "" if number is None else f"  #{number}" if mention.is_anchor else f"  see #{number}"
    if mention.is_postponed:
        suffix = f"  #{number} below"
    role = f"{style.plain(mention.role)} {style.arrow} " if mention.role else ""
    label, room = style.plain(node.id), None
    if style.width is not None:
        room = style.width - len(mention.prefix) - len(suffix)
        if mention.role and room - cell_len(role) < _LEAST_ID:
            # Several roles at once: their names give way.
            least = f" {style.arrow} "
            role = _cut(style.plain(mention.role), room - _LEAST_ID - len(least), style) + least
        label = _fitting(node, room - cell_len(role), style)
    kind = style.plain(node.kind)
    kind = kind if label.startswith(kind) else ""
    look = "dim " if mention.is_second else "bold " if node.id == style.start else ""
    text = Text()
    text.append(mention.prefix, style="bright_black")
    text.append(role, style="italic")
    text.append(kind, style=f"{look}{colour_of(node.kind).terminal}")
    text.append(label[len(kind) :], style=look.strip())
    text.append(suffix, style="bright_black")
    if style.width is not None and text.cell_len > style.width:
        text.truncate(style.width)
    return text


def _fitting(node: Node, room: int, style: _Style) -> str:
    """The id in so many columns: first digests are cut, then the version, then the name."""
    label = short_digests(style.plain(node.id), style.signs.ellipsis)
    if cell_len(label) <= room:
        return label
    version = short_digests(style.plain(node.version), style.signs.ellipsis)
    after = f"@{_cut(version, max(_LEAST_VERSION, room // 4), style)}" if version else ""
    before = f"{style.plain(node.kind)}:"
    left = room - cell_len(before) - cell_len(after)
    if left < _LEAST_ID:
        return _cut(label, room, style)
    return before + _cut(short_digests(style.plain(node.name), style.signs.ellipsis), left, style) + after


def _cut(text: str, most: int, style: _Style) -> str:
    return shortened(text, max(0, most), ellipsis=style.signs.ellipsis, measure=cell_len)
