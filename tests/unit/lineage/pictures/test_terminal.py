"""The terminal's picture: within the width, each node once, and names that can't act."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from headwater.graph import Edge, Node, Role
from headwater.lineage.pictures.terminal import draw, lines
from tests.unit.lineage.pictures.graphs import HOSTILE, PREDICTION, demo, edge, graphs


def shown(edges: Sequence[Edge], **options: object) -> list[str]:
    return [line.plain for line in lines([], edges, **{"width": None, **options})]  # type: ignore[arg-type]


@given(graphs(), st.sampled_from([40, 80, 200]), st.booleans(), st.booleans(), st.randoms(use_true_random=False))
def test_no_line_is_wider_than_the_terminal_and_order_does_not_matter(
    graph: tuple[Sequence[Node], Sequence[Edge]], width: int, down: bool, ascii_only: bool, rng: random.Random
) -> None:
    nodes, edges = graph
    found = lines(nodes, edges, width=width, down=down, ascii_only=ascii_only)
    assert max((line.cell_len for line in found), default=0) <= width
    assert not any(re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", line.plain) for line in found)
    if ascii_only:
        assert all(line.plain.isascii() for line in found)
    shuffled = lines(
        rng.sample(nodes, len(nodes)), rng.sample(edges, len(edges)), width=width, down=down, ascii_only=ascii_only
    )
    assert [line.plain for line in shuffled] == [line.plain for line in found]


@given(graphs(), st.integers(40, 90), st.booleans())
def test_every_node_is_drawn_once_and_every_mention_has_its_number(
    graph: tuple[Sequence[Node], Sequence[Edge]], width: int, down: bool
) -> None:
    nodes, edges = graph
    found = [line.plain for line in lines(nodes, edges, width=width, down=down)]
    again = [line for line in found if re.search(r"  (see #\d+|#\d+ below)$", line)]
    ids = {node.id for node in nodes}
    assert len(found) - len(again) == len(ids)
    numbers = [match[1] for line in found if line not in again and (match := re.search(r"  #(\d+)$", line))]
    mentioned = {match[1] for line in again if (match := re.search(r"#(\d+)", line))}
    assert sorted(numbers) == sorted(set(numbers))
    assert set(numbers) == mentioned
    # Each pair of nodes has one line below its parent.
    links = {(each.below.id, each.above.id) for each in edges}
    assert sum(line.startswith(("├", "└", "│", " ")) for line in found) == len(links)


def test_the_picture_of_the_demo_is_a_tree_with_references() -> None:
    a, b, c = Node("data", "a", "1"), Node("set", "b"), Node("model", "m", "2")
    edges = [edge(c, Role.TRAINED_ON, b), edge(c, Role.MADE_BY, Node("run", "m", "x")), edge(b, Role.READ, a)]
    edges += [edge(Node("run", "m", "x"), Role.RAN_ON, Node("image", "i", "1")), edge(b, Role.MADE_BY, edges[1].above)]
    assert shown(edges) == [
        "model:m@2",
        "├─ made_by → run:m@x  #1",
        "│  └─ ran_on → image:i@1",
        "└─ trained_on → set:b",
        "   ├─ read → data:a@1",
        "   └─ made_by → run:m@x  see #1",
    ]
    assert shown(edges, down=True, start=a, ascii_only=True)[:3] == [
        "data:a@1",
        "`- read <- set:b  #1",
        "   `- trained_on <- model:m@2  #2",
    ]


def test_shared_nodes_do_not_multiply() -> None:
    # Ten layers of four nodes, each made from all of the layer before: 4 ** 10 paths.
    made = [[Node("data", f"{layer}-{place}", "1") for place in range(4)] for layer in range(11)]
    edges = [edge(below, Role.READ, above) for layer in range(10) for below in made[layer + 1] for above in made[layer]]
    assert len(shown(edges)) <= len(edges) + 44


@pytest.mark.parametrize("width", [80, None])
def test_a_chain_deeper_than_the_width_goes_on_at_the_left_edge(width: int | None) -> None:
    chain = [Node("data", f"step-{place:03}", "1") for place in range(200)]
    edges = [edge(below, Role.READ, above) for above, below in pairwise(chain)]
    found = shown(edges, width=width)
    assert max(map(len, found)) < 200
    assert found[0].startswith("data:step-199@1")
    assert all(any(f"step-{place:03}@1" in line for line in found) for place in range(200))
    assert any(re.search(r"  #1 below$", line) for line in found)
    assert any(re.fullmatch(r"data:step-\d+@1  #1", line) for line in found)


def test_a_cycle_is_drawn_and_ends() -> None:
    a, b = Node("foreign", "a", "1"), Node("foreign", "b", "1")
    edges = [edge(a, Role.READ, b), edge(b, Role.READ, a), edge(b, Role.READ, b)]
    assert shown(edges) == [
        "foreign:a@1  #1",
        "└─ read → foreign:b@1  #2",
        "   ├─ read → foreign:a@1  see #1",
        "   └─ read → foreign:b@1  see #2",
    ]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_no_markup_and_no_escape_sequence(name: str) -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, color_system=None, width=80)
    console.print(draw([Node("data", name, "1")], []))
    (line,) = written.getvalue().splitlines()
    assert line.startswith("data:")
    assert "\x1b" not in line
    if name.startswith("[bold"):
        assert line == f"data:{name}@1"


def test_a_terminal_without_unicode_gets_ascii_and_loses_no_name() -> None:
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, encoding="ascii"), force_terminal=True, color_system=None, width=80)
    console.print(draw([], [edge(Node("model", "遅延", "1"), Role.READ, Node("data", "a", "1"))]))
    console.file.flush()
    assert raw.getvalue().decode("ascii").splitlines() == [r"model:\u9045\u5ef6@1", "`- read -> data:a@1"]


def test_colours_are_left_out_where_nobody_sees_them() -> None:
    def printed(**options: object) -> str:
        written = io.StringIO()
        Console(file=written, width=80, **options).print(draw([], demo(), start=PREDICTION))  # type: ignore[arg-type]
        return written.getvalue()

    coloured = printed(force_terminal=True, color_system="standard")
    assert "\x1b[" in coloured
    assert "\x1b[" not in printed(force_terminal=False)
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == printed(force_terminal=True, color_system=None)


def test_without_a_terminal_every_id_is_whole() -> None:
    written = io.StringIO()
    Console(file=written, width=80, soft_wrap=True).print(draw([], demo()))
    found = written.getvalue()
    assert all(node.id in found for each in demo() for node in (each.below, each.above))
