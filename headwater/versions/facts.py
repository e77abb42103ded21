"""Lineage of datasets: a commit is made from the files that it brought, and holds all files of its tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import Any

from headwater.graph import Contribution, Edge, Known, Log, Node, NodeKind, Places, Reads, Role, Told
from headwater.storage.logs import ItemLog
from headwater.storage.table import Table
from headwater.versions.dataset import Dataset
from headwater.versions.errors import Corrupt, DatasetNotFound, RevisionNotFound
from headwater.versions.refs import datasets
from headwater.versions.service import GRACE, Versions
from headwater.versions.store import Objects
from headwater.versions.types import Change, Commit, Entry

MOST_FILES = 1000
"""Files of one commit that become edges. A folder of millions is one node; its tree is read when somebody asks."""
CLOCKS = timedelta(minutes=1)
"""How far the clock of another tool may be behind S3's."""
_MOVES = "LOG#branch#"

TellCommit = Callable[[Dataset, str, Commit, list[Change]], Told]


def file_node(entry: Entry) -> Node:
    """The node of a file's pinned version."""
    return Node("file", f"s3://{entry.bucket}/{entry.key}", entry.version_id)


def commit_node(dataset: str, commit: str) -> Node:
    """The node of a commit."""
    return Node("data", dataset, commit)


def _told(dataset: Dataset, tell: TellCommit, move: dict[str, Any]) -> Told:
    """The facts of the commit that a branch was moved to."""
    commit = move["to"]
    if commit is None:
        return Told()
    try:
        found = dataset.commit_of(commit)
        changes = list(islice(dataset.changes(commit), MOST_FILES + 1))
    except (Corrupt, RevisionNotFound, DatasetNotFound):
        # Gc has taken the commit: no branch or tag leads to it, and nothing that counts was made from it.
        return Told(gone=[f"commit:{commit}"])
    return tell(dataset, found.id, found.commit, changes)


def branches(places: Places, capability: str, tell: TellCommit, *, prefix: str = "") -> Iterator[Log[Told]]:
    """The log of each branch of the datasets whose names begin with ``prefix``.

    Moves are numbered without gaps, and a deleted branch keeps its log.
    """
    table = places.table
    versions = Versions(places.lake_bucket, table, places.clients)
    for name in datasets(table):
        if name.startswith(prefix):
            for branch in _branches(table, name):
                yield ItemLog(
                    name=f"{capability}/{name}/{branch}", table=table, pk=f"DATA#{name}", prefix=f"{_MOVES}{branch}#",
                    tell=partial(_told, versions.dataset(name), tell), is_ordered=True,
                )  # fmt: skip


def _branches(table: Table, dataset: str) -> Iterator[str]:
    """The branches that a dataset has, or had: one small read each, however long their logs are."""
    after = ""
    while item := next(table.query(f"DATA#{dataset}", _MOVES, after=after, page_size=1), None):
        branch = str(item["sk"]).removeprefix(_MOVES).rpartition("#")[0]
        yield branch
        after = f"{_MOVES}{branch}#\U0010ffff"


def tell_commit(dataset: Dataset, name: str, commit: Commit, changes: list[Change]) -> Told:
    """A commit's author, and the files that it brought."""
    node, fact = commit_node(dataset.name, name), f"commit:{name}"
    notes = {"by": commit.author, "message": commit.message}
    if len(changes) > MOST_FILES:
        return Told(nodes=[Known(node, commit.time, commit.time, fact, {**notes, "files": f"more than {MOST_FILES}"})])
    edges = [
        Edge(node, Role.READ, file_node(change.after), commit.time, commit.time, fact, {"path": change.path})
        for change in changes
        if change.after is not None
    ]
    return Told(edges, [Known(node, commit.time, commit.time, fact, notes)])


def _above_commit(places: Places, node: Node, _: Reads) -> Iterable[Edge]:
    """All files that a commit's tree holds, not only those that it brought."""
    dataset = Versions(places.lake_bucket, places.table, places.clients).dataset(node.name)
    at = dataset.commit_of(node.version).commit.time
    fact = f"commit:{node.version}"
    for entry in dataset.files(node.version):
        yield Edge(node, Role.READ, file_node(entry), at, at, fact, {"path": entry.path})


def _above_file(places: Places, node: Node, reads: Reads) -> Iterable[Edge]:
    """Edges that other tools tell of the file without naming its version: they mean the version that stood then."""
    said = reads.edges(node._replace(version=""), "UP") if node.version else ()
    if not said:
        return
    bucket, _, key = node.name.removeprefix("s3://").partition("/")
    written = Objects(places.lake_bucket, places.clients, GRACE).written(bucket, key)
    for edge in said:
        stood = [version for time, version in written if time <= edge.at + CLOCKS]
        if stood and stood[-1] == node.version:
            yield edge._replace(below=node)


def _below(places: Places, node: Node, reads: Reads) -> Iterable[Edge]:
    """The commits that hold a file and that something was made from.

    A commit's tree says whether it holds the file, so that a file which was replaced, and perhaps brought back by a
    revert, is found in exactly the commits that had it.
    """
    versions = Versions(places.lake_bucket, places.table, places.clients)
    brought = [edge for edge in reads.edges(node, "DOWN") if edge.below.kind == "data" and edge.role is Role.READ]
    for name, path in sorted({(edge.below.name, edge.notes["path"]) for edge in brought}):
        dataset = versions.dataset(name)
        used = {edge.above.version: edge for edge in reads.of_thing(f"data:{name}", "DOWN")}
        for commit in sorted(used):
            try:
                entry = dataset.find(path, commit)
            except (Corrupt, RevisionNotFound, DatasetNotFound):
                continue
            if entry is not None and file_node(entry) == node:
                at = dataset.commit_of(commit).commit.time
                fact = f"commit:{commit}"
                yield Edge(commit_node(name, commit), Role.READ, node, at, at, fact, {"path": path})


FACTS = Contribution(
    kinds=[
        NodeKind("data", "data:<dataset>@<commit>", "a commit of a dataset: its tree of files at that version"),
        NodeKind("file", "file:s3://<bucket>/<key>?versionId=<version>", "one version of one object in S3"),
    ],
    logs=lambda places: branches(places, "versions", tell_commit),
    above={"data": _above_commit, "file": _above_file},
    below={"file": _below},
)
