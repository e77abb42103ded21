"""Graphviz and PROV-JSON: read back, they tell the graph that was given."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from prov.model import ProvDerivation, ProvDocument, ProvElement, ProvGeneration, ProvUsage

from headwater.graph import Edge, Node, Role
from headwater.lineage.pictures.dot import dot
from headwater.lineage.pictures.prov import prov, prov_json
from tests.unit.lineage.pictures.graphs import HOSTILE, PREDICTION, TIME, demo, edge, graphs

STRING = r'"((?:[^"\\]|\\.)*)"'
NODE = re.compile(rf'  (n\d+) \[label={STRING}, tooltip={STRING}, color="#[0-9a-f]{{6}}"(, penwidth=3)?\];')
EDGE = re.compile(rf"  (n\d+) -> (n\d+) \[label={STRING}\];")


def read_back(text: str) -> tuple[dict[str, str], list[tuple[str, str, str]]]:
    """Nodes and edges of a DOT file, line by line as we write them: whatever else a line holds fails."""
    first, *lines, last = text.split("\n")[:-1]
    assert re.fullmatch(rf"digraph {STRING} {{", first)
    assert last == "}"
    nodes: dict[str, str] = {}
    edges = []
    for line in lines[3:]:
        if found := NODE.fullmatch(line):
            nodes[found[1]] = re.sub(r"\\(.)", r"\1", found[3]).replace("&amp;", "&")
        else:
            found = EDGE.fullmatch(line)
            assert found, line
            edges.append((nodes[found[1]], found[3], nodes[found[2]]))
    return nodes, edges


def told(edges: Sequence[Edge]) -> list[tuple[str, str, str]]:
    return sorted({(each.below.id, each.role.value, each.above.id) for each in edges})


def test_dot_tells_the_graph_and_its_start() -> None:
    nodes, edges = read_back(dot([], demo(), start=PREDICTION))
    assert edges == told(demo())
    assert len(nodes) == len({node.id for each in demo() for node in (each.below, each.above)})
    assert dot([], demo(), start=PREDICTION).count("penwidth=3") == 1
    assert dot([], demo()[::-1], start=PREDICTION) == dot([], demo(), start=PREDICTION)


@given(graphs())
def test_any_graph_is_lines_that_dot_reads(graph: tuple[Sequence[Node], Sequence[Edge]]) -> None:
    nodes, edges = read_back(dot(*graph))
    assert len(nodes) == len({node.id for node in graph[0]})
    assert len(edges) == len(told(graph[1]))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_ends_no_string_of_dot(name: str) -> None:
    nodes, _ = read_back(dot([Node("data", name, name)], [], title=name))
    assert len(nodes) == 1


def document(nodes: Sequence[Node], edges: Sequence[Edge]) -> ProvDocument:
    return ProvDocument.deserialize(content=prov_json(nodes, edges))


@given(graphs())
def test_the_reference_library_reads_each_node_and_edge(graph: tuple[Sequence[Node], Sequence[Edge]]) -> None:
    records = document(*graph).get_records()
    elements = [each for each in records if isinstance(each, ProvElement)]
    assert sorted(each.label for each in elements) == sorted({node.id for node in graph[0]})
    assert len(records) - len(elements) == len(told(graph[1]))
    uris = {each.identifier.uri for each in elements if each.identifier}
    assert len(uris) == len(elements)
    for each in records:
        if not isinstance(each, ProvElement):
            assert {value.uri for _, value in each.formal_attributes[:2]} <= uris  # type: ignore[union-attr]


def test_an_edge_is_the_relation_that_its_ends_and_role_ask_for() -> None:
    run, data, made = Node("run", "m", "r1"), Node("data", "a", "1"), Node("set", "b")
    model, infra, other = Node("model", "m", "1"), Node("infra", "p/s", "u"), Node("run", "m", "r0")
    edges = [
        edge(run, Role.READ, data),
        edge(model, Role.MADE_BY, run),
        edge(model, Role.TRAINED_ON, made),
        edge(model, Role.DEPLOYED, infra),
        edge(run, Role.READ, other),
    ]
    found = prov([], edges)
    assert set(found["activity"]) == {"headwater:run%3Am%40r0", "headwater:run%3Am%40r1"}
    relations = {
        relation: [(*list(record.values())[:2], record["headwater:role"]) for record in found[relation].values()]
        for relation in found
        if relation not in {"prefix", "entity", "activity"}
    }
    assert relations == {
        "used": [("headwater:run%3Am%40r1", "headwater:data%3Aa%401", "read")],
        "wasGeneratedBy": [("headwater:model%3Am%401", "headwater:run%3Am%40r1", "made_by")],
        "wasDerivedFrom": [("headwater:model%3Am%401", "headwater:set%3Ab", "trained_on")],
        "wasInfluencedBy": [("headwater:model%3Am%401", "headwater:infra%3Ap%2Fs%40u", "deployed")],
        "wasInformedBy": [("headwater:run%3Am%40r1", "headwater:run%3Am%40r0", "read")],
    }
    records = document([], edges)
    assert [len(list(records.get_records(kind))) for kind in (ProvUsage, ProvGeneration, ProvDerivation)] == [1, 1, 1]


def test_the_time_is_that_of_the_first_fact_and_all_facts_are_named() -> None:
    run, data = Node("run", "m", "r1"), Node("data", "a", "1")
    late = Edge(run, Role.READ, data, TIME + timedelta(hours=1), TIME, "FACT#0")
    (record,) = prov([], [late, edge(run, Role.READ, data)])["used"].values()
    assert record["prov:time"] == "2026-11-20T14:02:11Z"
    assert record["headwater:fact"] == ["FACT#0", "FACT#1"]


def test_prov_is_the_same_for_every_order_and_plain_json() -> None:
    text = prov_json([], demo())
    assert prov_json([], demo()[::-1]) == text
    assert json.loads(text) == prov([], demo())
    assert text.isascii()
