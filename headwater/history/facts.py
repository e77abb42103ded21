"""Lineage of the infrastructure: an update is made from a tree of code, and brings bundles and images."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from headwater.code.types import CodeState
from headwater.graph import Contribution, Edge, Known, Log, Node, NodeKind, Places, Role, Told
from headwater.history.contents import Contents, contents_of
from headwater.history.errors import StateUnknown
from headwater.history.service import UpdateHistory
from headwater.history.store import CodeStates, GraphStore, HistoryTable, StateBucket
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
    states: CodeStates
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
        known = Known(node, at, at, fact, _filled(notes))
        contents, gone = self._contents(update)
        state = self.states.load(contents.code_state) if contents.code_state else None
        made = [Node("bundle", bundle.name, bundle.sha256) for bundle in contents.bundles]
        made += [Node("image", contents.image.digest)] if contents.image else []
        template = Edge(node, Role.DEPLOYED, node, at, at, fact)
        edges = [template._replace(above=thing) for thing in made]
        commit = (state.commit if state else "") or update.commit
        if not commit:
            return Told(edges, [known], gone=gone)
        tree = tree_node((state.name if state else "") or self.of.project, commit)
        # What is deployed is named by its contents: the same bundle, deployed again from another commit, is built from
        # both.
        edges += [template._replace(below=each, role=Role.BUILT_FROM, above=tree) for each in (node, *made)]
        return Told(edges, [known, Known(tree, at, at, fact, _filled(_of_tree(update, state)))], gone=gone)

    def _contents(self, update: Update) -> tuple[Contents, list[str]]:
        """The code that an update left in the stack, and the update's fact if that can't be read any more."""
        try:
            return contents_of(self.history.graph(update)), []
        except StateUnknown:
            return Contents(), [f"update:{update.id}"]


def _of_tree(update: Update, state: CodeState | None) -> dict[str, str]:
    """Facts about a tree of code: its author, its place, and whether anything but the commit was deployed."""
    clean = state.clean if state else None if update.dirty is None else not update.dirty
    about = {
        "branch": update.branch,
        "author": update.author,
        "clean": {True: "yes", False: "no", None: "unknown"}[clean],
    }
    if state is None:
        return about
    diff = state.diff_key or ("not kept: " + state.reason if state.diff or state.findings else "")
    return about | {"remote": state.remote, "path": state.path, "tree": state.tree, "diff": diff}


def _filled(notes: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in notes.items() if value}


def _logs(places: Places) -> Iterator[Log[Told]]:
    table = HistoryTable(places.table)
    history = UpdateHistory(StateBucket("", places.clients), table, GraphStore(places.artifacts_bucket, places.clients))
    for of in table.stacks():
        yield Updates(of, history, table, CodeStates(places.artifacts_bucket, places.clients))


FACTS = Contribution(
    kinds=[
        NodeKind("infra", "infra:<project>/<stack>@<update>", "the infrastructure after an update of Pulumi"),
        NodeKind("code", "code:<repository or project>@<git commit>", "a tree of code, by its git commit"),
        NodeKind("bundle", "bundle:<name>@<sha256>", "the zip of code of some functions, by the hash of its files"),
        NodeKind("image", "image:<digest>", "the container image that trains and ingests large files"),
    ],
    logs=_logs,
)
