"""MLMD's side, run by its own Python: the same chain of runs in SQLite, in the same process."""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time

from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    given = parser.parse_args()
    config = pb.ConnectionConfig()
    config.sqlite.filename_uri = f"{tempfile.mkdtemp()}/mlmd.db"
    store = metadata_store.MetadataStore(config)
    data, run = (
        store.put_artifact_type(pb.ArtifactType(name="data")),
        store.put_execution_type(pb.ExecutionType(name="run")),
    )
    before = store.put_artifacts([pb.Artifact(type_id=data, uri="s3://out/-1")])[0]
    measured, started = 0, time.perf_counter()
    for number in range(given.runs):
        # A run with its input and output, in one call: MLMD's quickest way.
        output = pb.Artifact(type_id=data, uri=f"s3://out/{number}")
        _, artifacts, _ = store.put_execution(
            pb.Execution(type_id=run),
            [
                (pb.Artifact(id=before, type_id=data, uri=f"s3://out/{number - 1}"), pb.Event(type=pb.Event.INPUT)),
                (output, pb.Event(type=pb.Event.OUTPUT)),
            ],
            [],
        )
        before, measured = artifacts[1], measured + 2
    figures: dict[str, float] = {"edges_per_second": measured / (time.perf_counter() - started)}
    for hops in (6, 20):
        times = []
        for _ in range(30):
            begun = time.perf_counter()
            options = pb.LineageSubgraphQueryOptions(max_num_hops=hops)
            options.starting_artifacts.filter_query = f"id = {before}"
            options.direction = pb.LineageSubgraphQueryOptions.Direction.UPSTREAM
            found = store.get_lineage_subgraph(options)
            times.append((time.perf_counter() - begun) * 1000)
        figures |= {
            f"ms_{hops}": statistics.median(times),
            f"nodes_{hops}": len(found.artifacts) + len(found.executions),
        }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
