"""The history's verbs: which updates there were, what existed after each, what differs, and what existed when."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Protocol, Self

from headwater.history.difference import difference
from headwater.history.errors import AmbiguousUpdate, NothingExistedYet, StateUnknown, UpdateNotFound
from headwater.history.graph import Graph
from headwater.history.reading import read_export
from headwater.history.recorder import CIRCUMSTANCES, EXISTED, HAPPENED, READABLE, Recorder, listed_once
from headwater.history.store import GraphStore, HistoryTable, StateBucket
from headwater.history.types import (
    HISTORY_PREFIX,
    Checkpoint,
    Difference,
    HistoryFile,
    Part,
    StackName,
    Standing,
    Update,
    UpdateContext,
    UpdateRecord,
    update_id,
)
from headwater.storage.clients import Clients
from headwater.storage.table import Table
from headwater.values import Value

_EXPORT = "EXPORT-"
_RELATIVE = re.compile(r"latest(?:~(\d+))?")
_SHORTEST_PREFIX = 4


class HistorySettings(Protocol):
    """The settings that a `UpdateHistory` needs."""

    @property
    def registry_table(self) -> str:
        """The table that keeps the facts."""

    @property
    def artifacts_bucket(self) -> str:
        """The bucket that keeps the graphs."""

    @property
    def state_bucket(self) -> str:
        """The bucket of Pulumi's backend."""


class Synced(Value):
    """The result of a rebuild."""

    files: int
    """Files of updates in the state bucket, deleted ones included, or updates in the exported history."""
    new: int
    """Files or updates that were new to the history, or better than its record."""


class UpdateHistory:
    """Every update of every stack whose state lies in one bucket.

    Parameters
    ----------
    state : StateBucket
        Where Pulumi's backend writes.
    table : HistoryTable
        Where facts are kept.
    graphs : GraphStore
        Where graphs are kept.
    """

    def __init__(self, state: StateBucket, table: HistoryTable, graphs: GraphStore) -> None:
        self._state, self._table, self._graphs = state, table, graphs
        self._recorder = Recorder(state, table, graphs)

    @classmethod
    def from_settings(cls, settings: HistorySettings, clients: Clients) -> Self:
        """The history that ``settings`` lead to."""
        return cls(
            StateBucket(settings.state_bucket, clients),
            HistoryTable(Table(settings.registry_table, clients)),
            GraphStore(settings.artifacts_bucket, clients),
        )

    # -- writing ------------------------------------------------------------------------------------------------

    def record(self, file: HistoryFile) -> bool:
        """Keep what a file of the state bucket says; False if the history knew it all or the file is gone for good.

        Twice, late and out of order make no difference: each fact is a function of files that are never rewritten.
        """
        return self._recorder.record(file)

    def sync(self) -> Synced:
        """Record every update whose files the state bucket has in any version, so those of removed stacks too.

        Raises
        ------
        StateBucketMissing
            There is no such bucket.
        """
        listing = listed_once(self._state, (HISTORY_PREFIX,))
        keys = sorted({each.key for each in listing(HISTORY_PREFIX) if not each.deleted})
        files = [file for file in map(HistoryFile.parse, keys) if file is not None]
        stacks = {file.of for file in files}
        prefixes = [f".pulumi/{kind}/{of}" for of in stacks for kind in ("locks/organization", "stacks")]
        moments = listed_once(self._state, (HISTORY_PREFIX, *(_closed(prefix) for prefix in prefixes)))
        complete = {of: self._complete(of) for of in stacks}
        unknown = [file for file in files if (file.ns, file.part) not in complete[file.of]]
        new = sum(self._recorder.record(file, moments) for file in unknown)
        return Synced(files=len(files), new=new)

    def import_history(self, of: StackName, exported: str) -> Synced:
        """Record the updates in the output of ``pulumi stack history --json``, for users of another backend.

        There are no checkpoints in it, so what existed after these updates stays unknown. An update that the state
        bucket tells of as well is listed once.

        Raises
        ------
        FileUnreadable
            It isn't that command's output; nothing was recorded.
        """
        found = read_export(exported)
        new = 0
        for happened in found:
            document = happened.model_dump_json()
            ns = int(happened.ended_at.timestamp() * 1_000_000) * 1000
            name = f"{_EXPORT}{hashlib.sha256(document.encode()).hexdigest()[:16]}"
            new += self._table.put(of, ns, name, document, READABLE)
        return Synced(files=len(found), new=new)

    # -- reading ------------------------------------------------------------------------------------------------

    def stacks(self) -> list[StackName]:
        """Every stack that the history knows of."""
        return self._table.stacks()

    def updates(self, of: StackName) -> tuple[Update, ...]:
        """Every update of a stack, oldest first."""
        return tuple(update for _, update in self.dated(of))

    def dated(self, of: StackName) -> list[tuple[int, Update]]:
        """Every update of a stack with the moment that its facts are kept under, oldest first."""
        facts: dict[int, dict[str, str]] = {}
        for ns, name, _, document in self._table.facts(of):
            facts.setdefault(ns, {})[name] = document
        told = [(ns, _told(of, ns, known)) for ns, known in facts.items() if HAPPENED in known]
        seen = {_moment(update) for _, update in told}
        exported = [
            (ns, _update(of, ns, UpdateRecord.model_validate_json(document), name))
            for ns, known in facts.items()
            for name, document in known.items()
            if name.startswith(_EXPORT)
        ]
        told += [(ns, update) for ns, update in exported if _moment(update) not in seen]
        told.sort(key=lambda entry: (entry[0], entry[1].id))
        return list(zip([ns for ns, _ in told], _with_jumps(update for _, update in told), strict=True))

    def find(self, of: StackName, reference: str) -> Update:
        """The update that ``reference`` names.

        Parameters
        ----------
        of : StackName
            The stack.
        reference : str
            An id, a prefix of at least four characters that only one id has, ``latest`` or ``latest~<n>``.

        Raises
        ------
        UpdateNotFound, AmbiguousUpdate
            No update, or more than one, is called that.
        """
        updates = self.updates(of)
        steps = ["headwater infra history"] if updates else ["headwater infra sync"]
        if not updates:
            raise UpdateNotFound(f"the history knows no update of stack {of}", next_steps=steps)
        if relative := _RELATIVE.fullmatch(reference):
            back = int(relative[1] or 0)
            if back >= len(updates):
                raise UpdateNotFound(f"{reference}: stack {of} has {len(updates)} updates", next_steps=steps)
            return updates[-1 - back]
        found = [update for update in updates if update.id.startswith(reference)]
        if len(reference) < _SHORTEST_PREFIX or not found:
            raise UpdateNotFound(
                f"no update {reference!r} of stack {of}: expected an id, {_SHORTEST_PREFIX} or more of its first "
                "characters, latest or latest~<n>",
                next_steps=steps,
            )
        if len(found) > 1:
            ids = ", ".join(update.id[:12] for update in found[:5])
            raise AmbiguousUpdate(f"{reference!r} begins the ids of {len(found)} updates: {ids}", next_steps=steps)
        return found[0]

    def graph(self, update: Update) -> Graph:
        """The resources after ``update``; raises `StateUnknown` if its checkpoint is missing or can't be read."""
        if not update.graph:
            why = "; ".join(update.problems) or "its checkpoint is missing"
            raise StateUnknown(
                f"what existed after update {update.id[:12]} isn't known: {why}",
                next_steps=["headwater infra sync reads the state bucket again"],
            )
        return self._graphs.load(update.graph)

    def diff(self, before: Update, after: Update) -> Difference:
        """The differences between the states after two updates; raises `StateUnknown`."""
        return difference(self.graph(before), self.graph(after), names=(before.id, after.id))

    def changes(self, of: StackName, update: Update) -> Difference | None:
        """The changes by ``update``: from the state that it began with, else from what the one before it left.

        None if neither is known.
        """
        after = self.graph(update)
        if update.before_graph:
            return difference(self._graphs.load(update.before_graph), after, names=("", update.id))
        updates = self.updates(of)
        place = next(index for index, each in enumerate(updates) if each.id == update.id)
        if not place or not updates[place - 1].graph:
            return None
        return difference(self.graph(updates[place - 1]), after, names=(updates[place - 1].id, update.id))

    def at(self, of: StackName, time: datetime) -> Standing:
        """Which infrastructure existed at ``time``: what the last update that had ended by then left.

        Raises
        ------
        NothingExistedYet
            No update had ended by then.
        StateUnknown
            The checkpoint of that update is missing or can't be read.
        """
        updates = self.updates(of)
        ended = [update for update in updates if update.ended_at <= time]
        if not ended:
            first = f"the first one ended at {updates[0].ended_at.isoformat()}" if updates else "it knows none"
            raise NothingExistedYet(f"no update of stack {of} had ended by {time.isoformat()}: {first}")
        in_progress = next((update for update in updates if update.started_at <= time < update.ended_at), None)
        return Standing(at=time, update=ended[-1], during=in_progress, resources=self.graph(ended[-1]).resources)

    def _complete(self, of: StackName) -> set[tuple[int, Part]]:
        """Files of which nothing more can be learnt."""
        ranks = {(ns, name): rank for ns, name, rank, _ in self._table.facts(of)}
        whole = 1 + 2  # both circumstances
        return {
            (ns, part)
            for (ns, name), rank in ranks.items()
            for part, complete in (
                (Part.CHECKPOINT, name == EXISTED and rank == READABLE),
                (Part.HISTORY, name == HAPPENED and rank == READABLE and ranks.get((ns, CIRCUMSTANCES)) == whole),
            )
            if complete
        }


def _closed(prefix: str) -> str:
    return f"{prefix}/" if "/locks/" in prefix else f"{prefix}.json"


def _told(of: StackName, ns: int, known: dict[str, str]) -> Update:
    """The update that the facts of one moment make."""
    happened = UpdateRecord.model_validate_json(known[HAPPENED])
    update = _update(of, ns, happened, "")
    problems = list(update.problems)
    existed = Checkpoint.model_validate_json(known[EXISTED]) if EXISTED in known else None
    if existed is None:
        problems.append("its checkpoint is missing: Pulumi was interrupted, or the event is still on its way")
    elif existed.problem:
        problems.append(existed.problem)
    changes: dict[str, object] = {"problems": tuple(problems)}
    if existed is not None and existed.digest:
        changes |= {
            "digest": existed.digest,
            "graph": existed.graph,
            "resources": existed.resources,
            "providers": existed.providers,
            "cli": update.cli or existed.engine,
        }
        if existed.pending:
            problems.append(f"it was interrupted while {existed.pending} resources were being made")
            changes["problems"] = tuple(problems)
    if CIRCUMSTANCES in known:
        circumstances = UpdateContext.model_validate_json(known[CIRCUMSTANCES])
        changes |= circumstances.model_dump()
    return update.model_copy(update=changes)


def _update(of: StackName, ns: int, happened: UpdateRecord, name: str) -> Update:
    said = happened.environment
    dirty = {"true": True, "false": False}.get(said.get("git.dirty", ""))
    return Update(
        id=update_id(of, ns, name),
        of=of,
        kind=happened.kind,
        result=happened.result,
        started_at=happened.started_at,
        ended_at=happened.ended_at,
        message=happened.message,
        author=_person(said),
        commit=said.get("git.head", ""),
        branch=said.get("git.headName", "").removeprefix("refs/heads/"),
        dirty=dirty,
        run_by=said.get("exec.kind", ""),
        cli=said.get("pulumi.version", ""),
        changes=happened.changes,
        config=happened.config,
        secret_config=happened.secret_config,
        environment=said,
        problems=(happened.problem,) if happened.problem else (),
        source="export" if name else "backend",
    )


def _person(said: Mapping[str, str]) -> str:
    name, email = said.get("git.author", ""), said.get("git.author.email", "")
    return f"{name} <{email}>" if name and email else name or email


def _moment(update: Update) -> tuple[object, ...]:
    """The key that two records of one update share: whole seconds, and the kind of update."""
    return update.kind, update.result, int(update.started_at.timestamp()), int(update.ended_at.timestamp())


def _with_jumps(updates: Iterable[Update]) -> tuple[Update, ...]:
    """Say of each update whether it began where the one before it ended."""
    found: list[Update] = []
    for update in updates:
        known = found[-1].digest if found else ""
        jumped = update.before != known if update.before and known else None
        found.append(update.model_copy(update={"jumped": jumped}))
    return tuple(found)
