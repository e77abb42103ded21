"""Lineage of the infrastructure: an update is made from a tree of code, and brings bundles and images."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from headwater.graph import Contribution, Edge, Known, Log, Node, NodeKind, Places, Role, Told
from headwater.history.service import UpdateHistory
from headwater.history.store import GraphStore, HistoryTable, StateBucket
from headwater.history.types import StackName, Update


def infra_node(of: StackName, update: str) -> Node:
    """The node of an update: the infrastructure after it."""
    return Node("infra", str(of), update)


def tree_node(project: str, commit: str) -> Node:
    """The node of a git commit."""
    return Node("code", project, commit)


@dataclass(frozen=True)
class Updates:
    """The updates of one stack, as a log: what is known of one may come late, and grow."""

    of: StackName
    history: UpdateHistory
    table: HistoryTable
    is_ordered: bool = False

    @property
    def name(self) -> str:
        """Name of the log."""
        return f"history/{self.of}"

    def entries(self, after: str) -> Iterator[tuple[str, Callable[[], Told]]]:
        """See `headwater.graph.Log`; a position names how much is known of an update, so that news make a new one."""
        updates: dict[int, list[Update]] = {}
        for ns, facts in groupby(self.table.facts(self.of), key=lambda fact: fact[0]):
            known = "\n".join(f"{name} {rank} {document}" for _, name, rank, document in facts)
            position = f"{ns:020d}#{hashlib.sha256(known.encode()).hexdigest()[:16]}"
            if position > after:
                yield position, partial(self._told, ns, updates)

    def _told(self, ns: int, read: dict[int, list[Update]]) -> Told:
        if not read:
            for moment, update in self.history.dated(self.of):
                read.setdefault(moment, []).append(update)
        told = [self._tell(update) for update in read.get(ns, ())]
        return Told([edge for each in told for edge in each.edges], [node for each in told for node in each.nodes])

    def _tell(self, update: Update) -> Told:
        node, at, fact = infra_node(self.of, update.id), update.ended_at, f"update:{update.id}"
        notes = {"kind": update.kind, "result": update.result, "by": update.by, "message": update.message}
        nodes = [Known(node, at, at, fact, {name: value for name, value in notes.items() if value})]
        if not update.commit:
            return Told(nodes=nodes)
        tree = tree_node(self.of.project, update.commit)
        state = "unknown" if update.dirty is None else "no" if update.dirty else "yes"
        about = {"branch": update.branch, "author": update.author, "clean": state}
        nodes.append(Known(tree, at, at, fact, {name: value for name, value in about.items() if value}))
        return Told([Edge(node, Role.BUILT_FROM, tree, at, at, fact)], nodes)


def _logs(places: Places) -> Iterator[Log]:
    table = HistoryTable(places.registry_table)
    history = UpdateHistory(StateBucket(""), table, GraphStore(places.artifacts_bucket))
    for of in table.stacks():
        yield Updates(of, history, table)


FACTS = Contribution(
    kinds=[
        NodeKind("infra", "infra:<project>/<stack>@<update>", "the infrastructure after an update of Pulumi"),
        NodeKind("code", "code:<project>@<git commit>", "a tree of code, by its git commit"),
        NodeKind("bundle", "bundle:<name>@<sha256>", "the zip of code of some functions, by the hash of its files"),
        NodeKind("image", "image:<digest>", "the container image that trains and ingests large files"),
    ],
    logs=_logs,
)
