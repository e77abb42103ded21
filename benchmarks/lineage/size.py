"""What the index of a large stack holds and costs: ``python -m benchmarks.lineage.size``.

Makes the facts of so many versions of models, each after an upload and the materialisations that it caused, as the
capabilities tell them, and counts the items and their bytes; what they cost is by AWS's list prices.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from headwater.features.facts import edges_of_view
from headwater.graph import Edge, Known, Node, Role, Told
from headwater.lineage.index import items_of

START = datetime(2026, 1, 1, tzinfo=UTC)
VIEWS, FILES = 4, 9
"""Views that a version reads, and files of its own: as of the flights product."""
STORAGE, WRITES = 0.25 + 0.20, 0.625
"""Dollars a GB-month with point-in-time recovery, and a million write units of on-demand capacity."""
LOG_RECORD = 1500
"""Bytes of a prediction's record with four views, which is written with or without lineage."""


def sha(text: str) -> str:
    """A hash, to be a version."""
    return hashlib.sha256(text.encode()).hexdigest()


def facts(versions: int) -> Iterator[Told]:
    """The facts behind each version: an upload, its commit, materialisations, a run."""
    for number in range(versions):
        at = START + timedelta(hours=number)
        commit = Node("data", "sources/flights", sha(f"commit {number}"))
        landed = Node("file", f"s3://lake/landing/flights/flights-{number}.csv", sha(f"landed {number}")[:32])
        curated = Node(
            "file", f"s3://lake/curated/flights@8613d4361b7f3509/flights-{number}.csv.parquet", landed.version
        )
        said = f"commit:{commit.version}"
        template = Edge(commit, Role.READ, curated, at, at, said, {"path": f"flights-{number}.csv.parquet"})
        yield Told([template], [Known(commit, at, at, said, {"by": "ingestion", "message": f"Ingest {number}"})])
        code = Node("bundle", "data", sha("bundle"))
        definition = Node("definition", "source/flights", "8613d4361b7f3509")
        above = ((Role.READ, landed), (Role.DEFINED_BY, definition), (Role.MADE_BY, code))
        yield Told([template._replace(below=curated, role=role, above=node, notes={}) for role, node in above])
        data = sha(f"data {number}")
        views = [(f"view_{place}", sha(f"view {place}")[:12]) for place in range(VIEWS)]
        for view, version in views:
            yield Told(list(edges_of_view(view, version, data, {"flights": commit.version}, template)))
        run, table = Node("run", "flight_delay", f"flight_delay-{number:014}"), Node("set", sha(f"set {number}"))
        model = Node("model", "flight_delay", str(number))
        edges = [
            template._replace(below=model, role=Role.MADE_BY, above=run),
            template._replace(below=model, role=Role.TRAINED_ON, above=table),
            template._replace(below=run, above=table),
            template._replace(below=table, above=commit),
            *(template._replace(below=table, above=Node("view", view, f"{version}/{data}")) for view, version in views),
        ]
        files = Node("data", "models/flight_delay", sha(f"files {number}"))
        edges += [
            template._replace(
                below=files, above=Node("file", f"s3://artifacts/runs/{run.version}/{name}", sha(name)[:32])
            )
            for name in map(str, range(FILES))
        ]
        yield Told([edge._replace(fact=f"version:flight_delay@{number}", notes={}) for edge in edges])


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", type=int, default=10_000)
    parser.add_argument("--predictions", type=int, default=100_000_000)
    given = parser.parse_args()
    items = size = edges = writes = 0
    for told in facts(given.versions):
        edges += len(told.edges)
        for item in items_of(told):
            length = sum(len(name) + len(str(value)) for name, value in item.items())
            items, size, writes = items + 1, size + length, writes + -(-length // 1024)
    gigabytes = size / 1e9
    print(f"{given.versions:,} versions: {edges:,} edges, {items:,} items written, {gigabytes:.2f} GB")
    print(f"  kept: ${gigabytes * STORAGE:.2f} a month; written once: ${writes / 1e6 * WRITES:.2f}")
    print(f"  a version: {edges / given.versions:.0f} edges, {items / given.versions:.0f} items")
    logged = given.predictions * LOG_RECORD / 1e9
    print(f"{given.predictions:,} predictions: 0 items, 0 bytes; their records, {logged:,.0f} GB, are there without it")


if __name__ == "__main__":
    main()
