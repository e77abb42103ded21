"""Graphs for the tests of pictures: one of the size of the demo, and any that Hypothesis thinks of."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

from hypothesis import strategies as st

from headwater.graph import Edge, Node, Role

TIME = datetime(2026, 11, 20, 14, 2, 11, tzinfo=UTC)

HOSTILE = (
    "<script>alert(1)</script>",
    "\"'&<>]]>",
    "a\\",
    "\\N&amp;\\n",
    "[bold red]x[/]",
    "\x00\x1b[31m\r\n\x7f\x85",
    "\ud800\ufffe\uffff",
    "\u202egnp.exe\u2066",
    "東京の遅延" * 12,
    "e\u0301" * 60,
    "🛫" * 40,
    "-->x" * 30,
)


def edge(below: Node, role: Role, above: Node, fact: str = "FACT#1") -> Edge:
    return Edge(below, role, above, TIME, TIME, fact)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


PREDICTION = Node("prediction", "flight_delay/2026-11-20", "3f9c0c1e-2222-4d4d-8a8a-123456789abc")


def demo() -> list[Edge]:
    """Two models of two sets, eight views, four commits, six files, two images, and the infrastructure."""
    files = [
        Node("file", f"s3://dev-lake/landing/{source}/{source}-2013-{month:02}.csv", digest(f"{source}{month}")[:32])
        for source, months in (("flights", 4), ("weather", 2))
        for month in range(1, months + 1)
    ]
    commits = [
        Node("data", f"sources/{files[0 if place < 2 else 4].name.split('/')[4]}", digest(f"c{place}"))
        for place in range(4)
    ]
    infra, code = Node("infra", "headwater/dev", "5d21c0de"), Node("code", "headwater", digest("code")[:40])
    bundle = Node("bundle", "data", digest("bundle"))
    images = [Node("image", "headwater-training", f"sha256:{digest(f'image{place}')}") for place in range(2)]
    read = [files[:2], files[:4], files[4:5], files[4:]]
    edges = [edge(commit, Role.READ, file) for commit, some in zip(commits, read, strict=True) for file in some]
    edges += [edge(commit, Role.MADE_BY, bundle) for commit in commits]
    for number in range(2):
        made = Node("set", digest(f"set{number}"))
        run, model = Node("run", "flight_delay", f"train-{number}"), Node("model", "flight_delay", str(number + 1))
        for name in ("delays", "carriers", "airports", "weather"):
            view = Node("view", name, f"{digest(name)}/{digest(f'{name}{number}')}")
            commit = commits[number + 2 * (name == "weather")]
            definition = Node("definition", f"view/{name}", digest(name))
            edges += [edge(made, Role.READ, view), edge(view, Role.READ, commit)]
            edges += [edge(view, Role.DEFINED_BY, definition), edge(view, Role.RAN_ON, bundle)]
        edges += [edge(made, Role.READ, commits[number]), edge(made, Role.MADE_BY, run)]
        edges += [edge(run, Role.RAN_ON, images[number]), edge(run, Role.RAN_ON, infra)]
        edges += [edge(model, Role.TRAINED_ON, made), edge(model, Role.MADE_BY, run)]
    edges += [edge(built, Role.BUILT_FROM, code) for built in (bundle, *images, infra)]
    edges += [edge(each, Role.DEPLOYED, infra) for each in (bundle, *images)]
    return [*edges, edge(PREDICTION, Role.ANSWERED_BY, Node("model", "flight_delay", "2"))]


_NAMES = st.one_of(st.sampled_from(["a", "b", "c", "d", "e", "f", "g", "sources/flights"]), st.sampled_from(HOSTILE))
NODES = st.builds(
    Node, st.sampled_from(["data", "run", "model", "file", "new_kind"]), _NAMES, st.sampled_from(["", "1"])
)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Sequence[Node], Sequence[Edge]]:
    """Any graph: cycles, edges from a node to itself, doubled edges, nodes without an edge, hostile names."""
    nodes = draw(st.lists(NODES, max_size=14))
    if not nodes:
        return [], []
    ends = st.sampled_from(nodes)
    return nodes, draw(st.lists(st.builds(edge, ends, st.sampled_from(list(Role)), ends), max_size=30))
