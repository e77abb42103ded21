"""A lineage graph in the language of Graphviz, for those who have their own looks or tools.

Edges name the nodes ``n0``, ``n1`` and so on, in the order of the ids: an identifier of DOT can't end with a backslash,
a lineage id can. It is the label instead.
"""

from __future__ import annotations

from collections.abc import Sequence

from headwater.graph import Edge, Node
from headwater.lineage.pictures.canonical import canonical
from headwater.lineage.pictures.colours import colour_of
from headwater.lineage.pictures.labels import short_digests, shortened, visible

_LABEL = 40


def dot(nodes: Sequence[Node], edges: Sequence[Edge], *, start: Node | None = None, title: str = "lineage") -> str:
    """The graph as a DOT file.

    Parameters
    ----------
    nodes : sequence of Node
    edges : sequence of Edge
        In any order; the text is the same for each.
    start : Node or None
        Drawn with a heavier frame.
    title : str
        The graph's name.

    Returns
    -------
    str
        A digraph whose arrows lead from a thing to what it was made from, which stands left of it. The whole id of a
        node is its tooltip.
    """
    graph = canonical(nodes, edges)
    name = {each: f"n{place}" for place, each in enumerate(graph.ids)}
    started = start.id if start else None
    lines = [
        f"digraph {_quoted(title)} {{",
        "  rankdir=RL;",
        '  node [shape=box, style=rounded, fontname="Helvetica", fontsize=11];',
        '  edge [fontname="Helvetica", fontsize=9, color="#8c959f"];',
    ]
    for node in graph.nodes:
        shown = [node.kind, *(shortened(short_digests(each), _LABEL) for each in (node.name, node.version) if each)]
        label = "\\n".join(map(_escaped, shown))
        heavier = ", penwidth=3" if node.id == started else ""
        lines.append(
            f'  {name[node.id]} [label="{label}", tooltip={_quoted(node.id)}, '
            f'color="{colour_of(node.kind).light}"{heavier}];'
        )
    lines += [f"  {name[link.below]} -> {name[link.above]} [label={_quoted(link.role)}];" for link in graph.links]
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    """The text as part of an escString: Graphviz resolves backslashes and the entities of HTML in it."""
    return visible(text).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
