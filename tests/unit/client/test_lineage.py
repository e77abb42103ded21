"""A part of the graph as people go on with it: frame, NetworkX, Graphviz, PROV; times need a zone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from headwater.client.lineage.parts import Part, Step
from headwater.client.lineage.service import _zoned
from headwater.errors import InvalidRequest

AT = datetime(2026, 1, 1, tzinfo=UTC)


def step(below: str, role: str, above: str) -> Step:
    return Step(below=below, role=role, above=above, at=AT, seen=AT, fact="f")


UP = Part(
    start="model:m@1",
    nodes=("model:m@1", "set:a", "data:sources/s@b"),
    edges=(step("model:m@1", "trained_on", "set:a"), step("set:a", "read", "data:sources/s@b")),
)
DOWN = Part(
    start="model:m@1",
    nodes=("model:m@1", "prediction:m/2026-01-01@r"),
    edges=(step("prediction:m/2026-01-01@r", "answered_by", "model:m@1"),),
    cut=True,
)


def test_the_edges_are_a_frame() -> None:
    frame = UP.frame()
    assert list(frame.columns) == ["below", "role", "above", "at", "seen", "fact"]
    assert frame["above"].tolist() == ["set:a", "data:sources/s@b"]
    assert Part(start="model:m@1", nodes=("model:m@1",), edges=()).frame().empty


def test_the_graph_is_one_of_networkx() -> None:
    graph = UP.networkx()
    assert graph.nodes["set:a"]["kind"] == "set"
    assert list(graph.edges(keys=True)) == [
        ("model:m@1", "set:a", "trained_on"), ("set:a", "data:sources/s@b", "read"),
    ]  # fmt: skip


def test_what_is_above_and_what_is_below_are_one_part() -> None:
    both = UP.around(DOWN)
    assert both.nodes == ("model:m@1", "set:a", "data:sources/s@b", "prediction:m/2026-01-01@r")
    assert len(both.edges) == 3
    assert both.cut


def test_a_part_is_written_for_graphviz_and_as_prov() -> None:
    assert UP.dot().startswith("digraph")
    assert '"wasDerivedFrom"' in UP.prov()


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"has no time zone: write 2026-01-01T00:00:00Z for UTC"):
        _zoned(datetime(2026, 1, 1))  # noqa: DTZ001 - the mistake
    assert _zoned(AT) == AT
