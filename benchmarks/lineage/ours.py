"""Our side, in a process of its own: writes a chain of runs, walks it, and finds what 100,000 edges touch."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from datetime import UTC, datetime

from headwater.graph import Edge, Node, Places, Role, Told
from headwater.lineage.index import Index
from headwater.lineage.walking import Walker
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table

AT = datetime(2026, 1, 1, tzinfo=UTC)


def edge(below: Node, role: Role, above: Node) -> Edge:
    """An edge of the chain."""
    return Edge(below, role, above, AT, AT, f"fact:{below.id}")


def chain(runs: int) -> list[Told]:
    """Each run reads what the run before it made."""
    told = []
    for number in range(runs):
        run, made, before = (
            Node("run", "model", str(number)),
            Node("data", "out", str(number)),
            Node("data", "out", str(number - 1)),
        )
        told.append(Told([edge(run, Role.READ, before), edge(made, Role.MADE_BY, run)]))
    return told


def wide(edges: int) -> list[Told]:
    """A file that a commit brought, training sets that read the commit, and a model of each."""
    file, commit = Node("thing", "file", "1"), Node("thing", "commit", "1")
    told = [Told([edge(commit, Role.READ, file)])]
    for number in range(edges // 2):
        table, model = Node("set", f"{number:064x}"), Node("model", f"m{number % 100}", str(number))
        told.append(Told([edge(table, Role.READ, commit), edge(model, Role.TRAINED_ON, table)]))
    return told


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--edges", type=int, default=0)
    given = parser.parse_args()
    index = Index(Table("registry", CLIENTS))
    walker = Walker(index, {}, Places(registry_table="registry", lake_bucket="", artifacts_bucket="", clients=CLIENTS))
    facts = wide(given.edges) if given.edges else chain(given.runs)
    started = time.perf_counter()
    for first in range(0, len(facts), 100):
        index.add(facts[first : first + 100])
    seconds = time.perf_counter() - started
    figures: dict[str, float] = {"edges_per_second": sum(len(told.edges) for told in facts) / seconds}
    if given.edges:
        started = time.perf_counter()
        found = walker.walk(Node("thing", "file", "1"), "DOWN", depth=2)
        figures |= {"impact_seconds": time.perf_counter() - started, "nodes": len(found.nodes)}
    else:
        for hops in (6, 20):
            times = []
            for _ in range(30):
                started = time.perf_counter()
                found = walker.walk(Node("data", "out", str(given.runs - 1)), "UP", depth=hops)
                times.append((time.perf_counter() - started) * 1000)
            figures |= {f"ms_{hops}": statistics.median(times), f"nodes_{hops}": len(found.nodes)}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
