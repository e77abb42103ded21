"""The layout: boxes apart, every edge drawn, made from left of made, and the same for every order of the input."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.graph import Edge, Node, Role
from headwater.lineage.pictures import canonical as canonical_form
from headwater.lineage.pictures.canonical import name_of
from headwater.lineage.pictures.layering import layered
from headwater.lineage.pictures.layout import Box, Layout, lay_out
from headwater.lineage.pictures.ordering import crossings, ordered
from tests.unit.lineage.pictures.graphs import demo, edge, graphs


def overlapping(layout: Layout) -> list[tuple[str, str]]:
    return [
        (one.id, other.id)
        for one, other in combinations(layout.boxes, 2)
        if one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    ]


def crossed(layout: Layout) -> Iterator[tuple[str, str]]:
    """Boxes with edges that run level through them; curves lie between the layers, where no box is."""
    for route in layout.routes:
        for (x, y), (to_x, to_y) in pairwise(route.points):
            left, right = sorted((x, to_x))
            for box in layout.boxes:
                is_inside = box.x < right and left < box.x + box.width
                if is_inside and min(y, to_y) < box.y + box.height and box.y < max(y, to_y):
                    yield box.id, route.role


def touches(box: Box, point: tuple[int, int]) -> bool:
    return point[0] in {box.x, box.x + box.width} and box.y <= point[1] <= box.y + box.height


@given(graphs(), st.randoms(use_true_random=False))
def test_every_order_of_nodes_and_edges_gives_the_same_layout(
    graph: tuple[Sequence[Node], Sequence[Edge]], rng: random.Random
) -> None:
    nodes, edges = list(graph[0]), list(graph[1])
    expected = lay_out(nodes, edges)
    shuffled, doubled = rng.sample(nodes, len(nodes)), [*edges, *rng.sample(edges, len(edges) // 2)]
    rng.shuffle(doubled)
    assert lay_out(shuffled, doubled) == expected
    assert name_of(shuffled, doubled) == name_of(nodes, edges) == expected.name


@given(graphs())
def test_boxes_stand_apart_and_every_node_and_edge_is_drawn(graph: tuple[Sequence[Node], Sequence[Edge]]) -> None:
    nodes, edges = graph
    layout = lay_out(nodes, edges)
    assert overlapping(layout) == []
    assert [box.id for box in layout.boxes] == sorted({node.id for node in nodes})
    assert sorted(each for layer in layout.layers for each in layer) == [box.id for box in layout.boxes]
    drawn = {(route.below, route.role, route.above) for route in layout.routes}
    assert drawn == {(each.below.id, each.role.value, each.above.id) for each in edges}
    assert len(layout.routes) == len(drawn)
    for box in layout.boxes:
        assert box.x >= 0
        assert box.y >= 0
        assert box.x + box.width <= layout.width
        assert box.y + box.height <= layout.height


@given(graphs())
def test_an_edge_runs_from_box_to_box_through_no_other(graph: tuple[Sequence[Node], Sequence[Edge]]) -> None:
    layout = lay_out(*graph)
    assert list(crossed(layout)) == []
    for route in layout.routes:
        if route.below != route.above:
            assert touches(layout.box[route.below], route.points[0])
            assert touches(layout.box[route.above], route.points[-1])
    roles = {(route.below, route.role.replace("_", " ")) for route in layout.routes if route.below != route.above}
    assert roles <= {(label.node, label.text) for label in layout.labels}


@given(graphs())
def test_what_a_thing_was_made_from_stands_left_of_it(graph: tuple[Sequence[Node], Sequence[Edge]]) -> None:
    layout = lay_out(*graph)
    for route in layout.routes:
        below, above = layout.box[route.below], layout.box[route.above]
        if route.below != route.above and not route.is_turned:
            assert above.x + above.width < below.x


def test_only_edges_that_close_a_cycle_are_turned() -> None:
    a, b, c, d = (Node("foreign", f"airflow:{name}", "1") for name in "abcd")
    edges = [edge(b, Role.READ, a), edge(c, Role.READ, b), edge(a, Role.READ, c), edge(d, Role.READ, c)]
    layout = lay_out([], edges)
    assert [(route.below, route.above) for route in layout.routes if route.is_turned] == [(a.id, c.id)]
    assert not any(route.is_turned for route in lay_out([], demo()).routes)


def test_a_single_node_and_no_node_have_a_layout() -> None:
    assert lay_out([], []).boxes == ()
    (box,) = lay_out([Node("model", "m", "1")], []).boxes
    assert (box.kind, box.name, box.version, box.shown) == ("model", "m", "1", ("m", "1"))


def test_a_node_that_was_made_from_itself_has_its_role_above_it() -> None:
    node = Node("foreign", "x", "1")
    layout = lay_out([], [edge(node, Role.READ, node)])
    (label,), (box,), (route,) = layout.labels, layout.boxes, layout.routes
    assert (label.text, label.anchor) == ("read", "middle")
    assert label.y < box.y
    assert min(y for _, y in route.points) >= 0


def test_a_layout_survives_being_stored() -> None:
    layout = lay_out([], demo())
    assert Layout.model_validate_json(layout.model_dump_json()) == layout


def test_the_demo_has_few_crossings() -> None:
    edges = demo()
    ids = sorted({node.id for each in edges for node in (each.below, each.above)})
    number = {each: place for place, each in enumerate(ids)}
    found = layered(len(ids), [(number[each.above.id], number[each.below.id]) for each in edges])
    after: list[list[int]] = [[] for _ in found.layer]
    for one, other in found.steps():
        after[one].append(other)
    by_id: list[list[int]] = [[] for _ in range(max(found.layer) + 1)]
    for item, layer in enumerate(found.layer):
        by_id[layer].append(item)
    assert crossings(ordered(found), after) < crossings(by_id, after) / 2


def test_nodes_of_one_id_have_one_box() -> None:
    # The address of a layout holds ids alone.
    one, other = Node("model", "m@1"), Node("model", "m", "1")
    assert one.id == other.id
    assert lay_out([one], []) == lay_out([other], []) == lay_out([one, other], [])


def test_the_address_follows_nodes_edges_roles_and_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = Node("data", "a", "1"), Node("data", "b", "1")
    names = [
        name_of([], [edge(b, Role.READ, a)]),
        name_of([], [edge(b, Role.MADE_BY, a)]),
        name_of([], [edge(a, Role.READ, b)]),
        name_of([a, b], []),
        name_of([a], []),
        name_of([], []),
    ]
    assert len(set(names)) == len(names)
    assert name_of([], [edge(b, Role.READ, a, "FACT#2")]) == names[0]
    monkeypatch.setattr(canonical_form, "LAYOUT_VERSION", canonical_form.LAYOUT_VERSION + 1)
    assert name_of([], [edge(b, Role.READ, a)]) != names[0]


def node(number: int) -> Node:
    return Node("data", f"n{number}", "1")


def chain_with_a_hub(rng: random.Random) -> list[Edge]:
    """The worst for passing points: everything in one row, and one thing that all of it was made from."""
    hub = Node("infra", "p/s", "1")
    return [edge(node(each), Role.READ, node(each - 1)) for each in range(1, 2000)] + [
        edge(node(each), Role.DEPLOYED, hub) for each in range(2000)
    ]


def random_pairs(rng: random.Random) -> list[Edge]:
    """The worst for cycles."""
    return [edge(node(rng.randrange(2000)), Role.READ, node(rng.randrange(2000))) for _ in range(4000)]


def eight_layers(rng: random.Random) -> list[Edge]:
    """As lineage is: wide and flat."""
    return [
        edge(node(each), Role.READ, node(each // 250 * 250 - rng.randrange(1, 251)))
        for each in range(250, 2000)
        for _ in range(3)
    ]


@pytest.mark.parametrize("make", [chain_with_a_hub, random_pairs, eight_layers])
def test_two_thousand_nodes_are_laid_out_in_seconds(make: Callable[[random.Random], list[Edge]]) -> None:
    edges = make(random.Random(7))
    begun = time.process_time()
    layout = lay_out([], edges)
    # 0.2 to 3 seconds where nothing else runs.
    assert time.process_time() - begun < 30
    assert len(layout.routes) == len({(each.below, each.role, each.above) for each in edges})
    by_layer = [[layout.box[each] for each in layer] for layer in layout.layers]
    assert all(one.y + one.height < other.y for layer in by_layer for one, other in pairwise(layer))
