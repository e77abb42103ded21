"""The stack at a moment: which version served, from which data, on which infrastructure; replayed from the logs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pydantic import AwareDatetime

from headwater.graph import Places
from headwater.history.service import UpdateHistory
from headwater.history.store import GraphStore, HistoryTable, StateBucket
from headwater.history.types import StackName, Update
from headwater.registry.service import Registry
from headwater.registry.types import AliasMove
from headwater.values import Value
from headwater.versions.refs import Refs, datasets
from headwater.versions.types import MAIN, RefMove


class Served(Value):
    """The version that an alias pointed at."""

    model: str
    alias: str
    version: int
    since: AwareDatetime
    by: str
    why: str
    run_id: str
    commits: dict[str, str]
    """The commit of each source that the version learnt from."""
    code_version: str


class Head(Value):
    """The commit that a dataset's ``main`` pointed at."""

    dataset: str
    commit: str
    since: AwareDatetime
    by: str
    why: str


class Stood(Value):
    """The pointers of a stack at a moment."""

    at: AwareDatetime
    served: tuple[Served, ...]
    """By model and alias."""
    heads: tuple[Head, ...]
    """By dataset."""
    update: Update | None
    """The last update of the infrastructure that had ended; None if the history knows none."""


class Moments:
    """Replays the logs of aliases, branches and updates."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._table = places.table
        self._registry = Registry(self._table)

    def at(self, time: datetime) -> Stood:
        """The stack at ``time``: each pointer where its last move by then left it."""
        return Stood(
            at=time,
            served=tuple(self._served(time)),
            heads=tuple(self._heads(time)),
            update=self.update(time),
        )

    def moves(self, model: str) -> tuple[AliasMove, ...]:
        """Every move of every alias of a model, by alias and time."""
        return self._registry.moves(model)

    def update(self, time: datetime) -> Update | None:
        """The last update of the stack's infrastructure that had ended by ``time``."""
        history = UpdateHistory(
            StateBucket("", self._places.clients),
            HistoryTable(self._table),
            GraphStore(self._places.artifacts_bucket, self._places.clients),
        )
        of = StackName(project=self._places.project, stack=self._places.stack)
        return next((update for update in reversed(history.updates(of)) if update.ended_at <= time), None)

    def _served(self, time: datetime) -> Iterable[Served]:
        for model in self._registry.models():
            last = {move.alias: move for move in self.moves(model) if move.at <= time}
            for alias, move in sorted(last.items()):
                if move.to is None:
                    continue
                candidate = self._registry.version(model, move.to).candidate
                yield Served(
                    model=model,
                    alias=alias,
                    version=move.to,
                    since=move.at,
                    by=move.by,
                    why=move.why,
                    run_id=candidate.run_id,
                    commits=dict(candidate.commits),
                    code_version=candidate.code_version,
                )

    def _heads(self, time: datetime) -> Iterable[Head]:
        for name in datasets(self._table):
            last: RefMove | None = None
            for move in Refs(self._table, name).log("branch", MAIN):
                last = move if move.at <= time else last
            if last is not None and last.to is not None:
                yield Head(dataset=name, commit=last.to, since=last.at, by=last.by, why=last.why)
