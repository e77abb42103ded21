"""Rules that a commit or a merge must pass: a Python callable or a Lambda function may refuse it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, Literal

from headwater.declare import resolve
from headwater.errors import HeadwaterError
from headwater.storage.table import Table
from headwater.versions.errors import HookRefused, InvalidName
from headwater.versions.store import Functions
from headwater.versions.types import Change, Commit, Entry

Event = Literal["pre-commit", "pre-merge"]
EVENTS: tuple[Event, ...] = ("pre-commit", "pre-merge")
SENT_PATHS = 1000
"""Most changed paths in a function's message; the counts are always complete."""


@dataclass(frozen=True)
class Proposal:
    """A commit before it is made."""

    event: Event
    dataset: str
    branch: str
    commit: Commit
    read_changes: Callable[[], Iterator[Change]] = field(repr=False)
    read_entries: Callable[[], Iterator[Entry]] = field(repr=False)

    def changes(self) -> Iterator[Change]:
        """The changes relative to the branch."""
        return self.read_changes()

    def entries(self) -> Iterator[Entry]:
        """All entries of the proposed tree."""
        return self.read_entries()

    def message(self) -> dict[str, Any]:
        """The message for a Lambda function."""
        counts = {"added": 0, "changed": 0, "removed": 0, "repinned": 0}
        changes = self.changes()
        shown = []
        for change in islice(changes, SENT_PATHS):
            counts[change.kind] += 1
            shown.append(
                {
                    "path": change.path,
                    "kind": change.kind,
                    "after": None if change.after is None else change.after._asdict(),
                }
            )
        for change in changes:
            counts[change.kind] += 1
        return {
            "event": self.event,
            "dataset": self.dataset,
            "branch": self.branch,
            "commit": self.commit.model_dump(mode="json"),
            "counts": counts,
            "changes": shown,
            "complete": sum(counts.values()) == len(shown),
        }


Hook = Callable[[Proposal], None]
"""A rule: refuses by raising an exception, whose message the committer sees."""


@dataclass(frozen=True)
class HookEntry:
    """A hook that all clients of a dataset run."""

    event: Event
    name: str
    target: str
    """``arn:…`` of a Lambda function, or ``module:callable``."""


class Hooks:
    """The hooks of one dataset, kept in the registry table.

    Parameters
    ----------
    store : Table
    dataset : str
    functions : Functions
    """

    def __init__(self, store: Table, dataset: str, functions: Functions) -> None:
        self._store, self._dataset, self._pk = store, dataset, f"DATA#{dataset}"
        self._functions = functions

    def all(self) -> tuple[HookEntry, ...]:
        """Every hook, by event and name."""
        return tuple(
            HookEntry(event=item["event"], name=item["name"], target=item["target"])
            for item in self._store.query(self._pk, "HOOK#")
        )

    def add(self, event: Event, name: str, target: str) -> HookEntry:
        """Let ``target`` judge each commit or merge from now on; one of the same name is replaced."""
        if event not in EVENTS or not name or "#" in name:
            raise InvalidName(f"hook {event}/{name!r}: expected an event of {', '.join(EVENTS)} and a name without #")
        if not target.startswith("arn:") and ":" not in target:
            raise InvalidName(f"hook {name!r}: expected a Lambda function's ARN or module:callable, not {target!r}")
        item = {"pk": self._pk, "sk": f"HOOK#{event}#{name}", "event": event, "name": name, "target": target}
        self._store.transact([self._store.put(item)])
        return HookEntry(event=event, name=name, target=target)

    def remove(self, event: Event, name: str) -> None:
        """Take a hook away; one that isn't there is gone already."""
        self._store.transact([self._store.delete(self._pk, f"HOOK#{event}#{name}", only_if="")])

    def ask(self, proposal: Proposal, given: Mapping[Event, Sequence[Hook]]) -> None:
        """Let every hook of the proposal's event judge it: those of the dataset, then those that the caller has.

        Raises
        ------
        HookRefused
            A hook refused, or couldn't be called: an unchecked rule counts as broken.
        """
        asked: list[tuple[str, Callable[[], Hook]]] = [
            (entry.name, partial(self._hook, entry.target)) for entry in self.all() if entry.event == proposal.event
        ]
        asked += [(getattr(hook, "__name__", "hook"), partial(_same, hook)) for hook in given.get(proposal.event, ())]
        for name, find in asked:
            try:
                find()(proposal)
            except Exception as error:
                said = error.message if isinstance(error, HeadwaterError) else f"{type(error).__name__}: {error}"
                raise HookRefused(
                    f"{proposal.event} hook {name!r} of dataset {self._dataset!r} refused: {said}"
                ) from error

    def _hook(self, target: str) -> Hook:
        if not target.startswith("arn:"):
            found: Hook = resolve(target)
            return found
        return partial(self._ask_function, target)

    def _ask_function(self, arn: str, proposal: Proposal) -> None:
        said = self._functions.invoke(arn, proposal.message())
        if not isinstance(said, dict) or not isinstance(said.get("allow"), bool):
            raise HookRefused(f'{arn} answered {said!r}, expected {{"allow": true or false, "reason": "…"}}')
        if not said["allow"]:
            raise HookRefused(str(said.get("reason") or "no reason was given"))


def _same(hook: Hook) -> Hook:
    return hook
