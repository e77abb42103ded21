"""A lineage graph as SVG: one file without references, for documents, the console and a browser.

Names are hostile input: each is escaped, and characters that XML 1.0 forbids are replaced. Colours follow the
reader's preference for light or dark.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import pairwise

from headwater.graph import ROLES, Node, Role
from headwater.lineage.pictures.colours import colour_of
from headwater.lineage.pictures.labels import columns, shortened, visible
from headwater.lineage.pictures.layout import LETTER, MARGIN, Box, Layout, Route, role_shown

_HEADING = 34
"""Height of the line above the boxes."""
_LEGEND_LINE = 24
_LEAST_WIDTH = 420
_LEGEND_LETTER = 6.6
_CAPTION = "An arrow leads from a thing to what it was made from."

_STYLE = """
#{id} {{ --paper: #ffffff; --ink: #1f2328; --soft: #57606a; --line: #8c959f; --box: #ffffff; --start: #0969da;{light} }}
@media (prefers-color-scheme: dark) {{ #{id} {{ --paper: #0d1117; --ink: #e6edf3; --soft: #9da7b3; --line: #6e7681;
 --box: #161b22; --start: #58a6ff;{dark} }} }}
#{id} text {{ font: 12px ui-sans-serif, system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
 fill: var(--ink); }}
#{id} .paper {{ fill: var(--paper); }}
#{id} .heading {{ font-size: 15px; font-weight: 600; }}
#{id} .soft {{ fill: var(--soft); }}
#{id} .box {{ fill: var(--box); stroke-width: 1.25; }}
#{id} .name, #{id} .version {{ font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono",
 "Liberation Mono", monospace; }}
#{id} .version {{ fill: var(--soft); font-size: 11px; }}
#{id} .kind {{ font-size: 11px; font-weight: 600; }}
#{id} .role {{ font-size: 11px; fill: var(--soft); paint-order: stroke; stroke: var(--paper); stroke-width: 4px;
 stroke-linejoin: round; }}
#{id} .edge {{ fill: none; stroke: var(--line); stroke-width: 1.25; }}
#{id} .turned {{ stroke-dasharray: 5 4; }}
#{id} .near {{ stroke: var(--start); stroke-width: 1.75; }}
#{id} .arrow {{ fill: var(--line); }}
#{id} .start-name {{ font-weight: 700; }}
"""


def svg(
    layout: Layout, *, start: Node | None = None, title: str = "", notes: Mapping[str, Mapping[str, str]] | None = None
) -> str:
    """The picture of a layout.

    Parameters
    ----------
    layout : Layout
        As `headwater.lineage.pictures.layout.lay_out` returns it.
    start : Node or None
        The node that was asked about: it and its edges are emphasised. A node that isn't in the layout changes
        nothing.
    title : str
        By default "Lineage", or "Lineage of" and the start's id.
    notes : mapping of str to mapping of str to str, optional
        More about nodes, by id, shown when a pointer rests on the box.

    Returns
    -------
    str
        A whole SVG document, readable at its own size; the same for the same arguments.
    """
    started = start.id if start is not None and start.id in layout.box else None
    title = visible(title or (f"Lineage of {started}" if started else "Lineage"))
    # Several pictures can stand in one page: their ids, and so their styles, don't meet.
    told = "\n".join([layout.name, started or "", title])
    mark = f"lineage-{hashlib.sha256(told.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"
    kinds = Counter(box.kind for box in layout.boxes)
    width = max(layout.width, _LEAST_WIDTH)
    legend, legend_height = _legend(kinds, width, layout.height + _HEADING)
    height = layout.height + _HEADING + legend_height
    most = int((width - 2 * MARGIN) / 8.5)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" id="{mark}" role="img" aria-labelledby="{mark}-title {mark}-desc" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f'<title id="{mark}-title">{_text(title)}</title>',
        f'<desc id="{mark}-desc">{_text(_description(layout, kinds, started))}</desc>',
        f"<style>{_style(mark, kinds)}</style>",
        f'<defs><marker id="{mark}-arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
        'markerUnits="userSpaceOnUse" orient="auto"><path class="arrow" d="M0 0L8 4L0 8Z"/></marker></defs>',
        f'<rect class="paper" width="{width}" height="{height}"/>',
        f'<text class="heading" x="{MARGIN}" y="32">{_text(shortened(title, most))}</text>',
        f'<g transform="translate(0 {_HEADING})">',
        *(_edge(route, mark, started) for route in _emphasised_last(layout.routes, started)),
        *(
            f'<text class="role" x="{label.x}" y="{label.y}" text-anchor="{label.anchor}">{_text(label.text)}</text>'
            for label in layout.labels
        ),
        *(_box(box, box.id == started, (notes or {}).get(box.id, {})) for box in layout.boxes),
        "</g>",
        *legend,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _text(text: str) -> str:
    return escape(visible(text), quote=True)


def _style(mark: str, kinds: Mapping[str, int]) -> str:
    light, dark, rules = "", "", ""
    for number, kind in enumerate(sorted(kinds)):
        colour = colour_of(kind)
        light += f" --k{number}: {colour.light};"
        dark += f" --k{number}: {colour.dark};"
        rules += f"#{mark} .{_class(kind)} {{ fill: var(--k{number}); stroke: var(--k{number}); }}\n"
        rules += f"#{mark} .box.{_class(kind)} {{ fill: var(--box); }}\n"
    # Of rules that weigh the same the last one wins: letters have no stroke, and the start has a frame of its own.
    rules += f"#{mark} .kind {{ stroke: none; }}\n#{mark} .box.start {{ stroke: var(--start); stroke-width: 3; }}\n"
    return _STYLE.format(id=mark, light=light, dark=dark) + rules


def _class(kind: str) -> str:
    # A kind can be any text, a class can't.
    if kind.isascii() and kind.isidentifier():
        return f"k-{kind}"
    return f"x-{kind.encode('utf-8', 'surrogatepass').hex()}"


def _description(layout: Layout, kinds: Mapping[str, int], started: str | None) -> str:
    if not layout.boxes:
        return "The graph has no node."

    def counted(counts: Mapping[str, int]) -> str:
        return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))

    roles = Counter(role_shown(route.role) for route in layout.routes)
    sentences = [f"{_plural(len(layout.boxes), 'node')}: {counted(kinds)}."]
    if roles:
        sentences.append(f"{_plural(len(layout.routes), 'edge')}: {counted(roles)}. {_CAPTION}")
    if started:
        made_from = sum(route.below == started for route in layout.routes)
        made = sum(route.above == started for route in layout.routes)
        sentences.append(f"The picture starts at {started}, which has {made_from} edges to what it was made from")
        sentences[-1] += f" and {made} from what was made from it."
    return " ".join(sentences)


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _emphasised_last(routes: Sequence[Route], started: str | None) -> Iterator[Route]:
    """The routes with those of the start on top of the others."""
    yield from sorted(routes, key=lambda route: started in {route.below, route.above})


def _edge(route: Route, mark: str, started: str | None) -> str:
    classes = "edge" + " turned" * route.is_turned + " near" * (started in {route.below, route.above})
    (x, y), *_ = route.points
    way = f"M{x} {y}"
    for (x, y), (to_x, to_y) in pairwise(route.points):
        if y == to_y:
            way += f"H{to_x}"
        elif x == to_x:
            way += f"V{to_y}"
        else:
            half = (x + to_x) // 2
            way += f"C{half} {y} {half} {to_y} {to_x} {to_y}"
    meaning = f" ({ROLES[Role(route.role)]})" if route.role in ROLES else ""
    told = f"{route.below} {role_shown(route.role)} {route.above}{meaning}"
    return f'<path class="{classes}" d="{way}" marker-end="url(#{mark}-arrow)"><title>{_text(told)}</title></path>'


def _box(box: Box, is_start: bool, notes: Mapping[str, str]) -> str:
    name, version = box.shown
    kind = _class(box.kind)
    middle = box.y + box.height // 2
    told = "\n".join([box.id, *(f"{key}: {value}" for key, value in sorted(notes.items()))])
    versioned = (
        f'<text class="version" x="{box.x + box.width - 10}" y="{middle - 5}" text-anchor="end">{_text(version)}</text>'
        if version
        else ""
    )
    # A line break in a title is kept by browsers; every other control character is replaced.
    title = "\n".join(map(_text, told.split("\n")))
    return (
        f"<g><title>{title}</title>"
        f'<rect class="box {kind}{" start" * is_start}" x="{box.x}" y="{box.y}" width="{box.width}" '
        f'height="{box.height}" rx="6"/>'
        f'<rect class="{kind}" x="{box.x}" y="{box.y + 6}" width="3" height="{box.height - 12}"/>'
        f'<text class="kind {kind}" x="{box.x + 12}" y="{middle - 5}">{_text(box.kind)}</text>{versioned}'
        f'<text class="name{" start-name" * is_start}" x="{box.x + 12}" y="{middle + 12}">{_text(name)}</text></g>'
    )


def _legend(kinds: Mapping[str, int], width: int, top: int) -> tuple[list[str], int]:
    """The kinds with their numbers, in as many lines as the width asks for, and the height of all."""
    parts: list[str] = []
    x, y = MARGIN, top + 4
    for kind in sorted(kinds):
        text = f"{shortened(visible(kind), 24)} {kinds[kind]}"
        needed = 18 + int(columns(text) * LETTER) + 18
        if x > MARGIN and x + needed > width - MARGIN:
            x, y = MARGIN, y + _LEGEND_LINE
        parts.append(f'<rect class="{_class(kind)}" x="{x}" y="{y - 9}" width="10" height="10" rx="2"/>')
        parts.append(f'<text class="soft" x="{x + 16}" y="{y}">{_text(text)}</text>')
        x += needed
    if parts:
        if x > MARGIN and x + len(_CAPTION) * _LEGEND_LETTER > width - MARGIN:
            x, y = MARGIN, y + _LEGEND_LINE
        parts.append(f'<text class="soft" x="{x}" y="{y}">{_CAPTION}</text>')
    return parts, y - top + 20
