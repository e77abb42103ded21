"""Lineage of sources: a curated file is made from what landed, under a definition, by the code of that time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from headwater.graph import Contribution, Edge, Known, Log, Node, NodeKind, Places, Role, Told
from headwater.lake.store import IngestionLog
from headwater.lake.types import Ingestion, Upload
from headwater.values import Pointer
from headwater.versions.dataset import Dataset
from headwater.versions.facts import branches, file_node
from headwater.versions.types import Change, Commit

_SOURCES = "sources/"
_DATA_BUNDLE = "data"
_BATCH = "batch"


def landed_node(upload: Upload) -> Node:
    """The node of an uploaded file's version."""
    return Node("file", f"s3://{upload.bucket}/{upload.key}", upload.version_id)


def batch_node(collected: str) -> Node:
    """The node of a collector's batch, by `headwater.lake.types.Ingestion.collected`."""
    collector, _, number = collected.rpartition("#")
    return Node(_BATCH, collector, number)


def definition_node(source: str, digest: str) -> Node:
    """The node of a source's definition."""
    return Node("definition", f"source/{source}", digest)


def code_node(code_version: str) -> Node | None:
    """The node of the code that did some work: an image by its digest, or a bundle by the hash of its files."""
    if code_version.startswith("sha256:"):
        return Node("image", code_version)
    return Node("bundle", _DATA_BUNDLE, code_version) if len(code_version) == 64 else None


def _tell(log: IngestionLog, dataset: Dataset, name: str, commit: Commit, changes: list[Change]) -> Told:
    """The origin of each file that a commit of a source brought."""
    source = dataset.name.removeprefix(_SOURCES)
    made = _ingestions(log, source, commit.meta)
    edges, nodes = [], []
    for change in changes:
        if change.after is None:
            continue
        file = file_node(change.after)
        found = made.get((file.name, file.version))
        if found is None:
            continue
        landed, fact = landed_node(found.upload), f"commit:{name}"
        above = [
            (Role.READ, landed),
            (Role.DEFINED_BY, definition_node(source, found.definition) if found.definition else None),
            (Role.MADE_BY, code_node(found.code_version)),
        ]
        edges += [Edge(file, role, node, commit.time, commit.time, fact) for role, node in above if node is not None]
        if found.collected:
            batch = batch_node(found.collected)
            edges.append(Edge(landed, Role.MADE_BY, batch, commit.time, commit.time, fact))
            nodes.append(Known(batch, found.at, commit.time, fact, {"source": source, "file": found.file}))
        nodes.append(Known(landed, found.at, commit.time, fact, {"source": source, "file": found.file}))
        rows = {"rows": str(found.rows_out), "rejected": str(found.rows_rejected)}
        nodes.append(Known(file, commit.time, commit.time, fact, {"source": source, "file": found.file, **rows}))
    return Told(edges, nodes)


def _ingestions(log: IngestionLog, source: str, meta: Mapping[str, str]) -> dict[tuple[str, str], Ingestion]:
    """The ingestions behind a commit, by the curated file's key and version."""
    if uri := meta.get("upload"):
        place, _, version_id = uri.removeprefix("s3://").rpartition("?versionId=")
        bucket, _, key = place.partition("/")
        found = log.ingestion(Upload(bucket=bucket, key=key, version_id=version_id, size=0, sequencer="0"))
        made: tuple[Ingestion, ...] = (found,) if found else ()
    elif "reingestion" in meta:
        made = log.remade(source, meta["definition"])
    else:
        made = ()
    return {_place(entry.curated): entry for entry in made if entry.curated is not None}


def _place(pointer: Pointer) -> tuple[str, str]:
    return f"s3://{pointer.bucket}/{pointer.key}", pointer.version_id


def _logs(places: Places) -> Iterator[Log[Told]]:
    yield from branches(places, "lake", partial(_tell, IngestionLog(places.table)), prefix=_SOURCES)


FACTS = Contribution(
    kinds=[
        NodeKind(
            "definition",
            "definition:<source or view>/<name>@<digest>",
            "a source or a feature view as it was declared",
        ),
        NodeKind(_BATCH, "batch:<collector>@<number>", "a file that a collector fetched from where the data are"),
    ],
    logs=_logs,
)
