"""Commits and their graph: ancestors, merge bases, and the commit that last changed a path."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterable, Iterator
from itertools import count

from headwater.versions.errors import Corrupt, PathNotFound
from headwater.versions.store import Objects
from headwater.versions.tree import Trees
from headwater.versions.types import PREFIX, Commit, digest

COMMITS = f"{PREFIX}commits/"
_OURS, _THEIRS, _STALE = 1, 2, 4


def commit_key(name: str) -> str:
    """Key of a commit."""
    return f"{COMMITS}{name}.json"


class History:
    """Reads and writes commits; they never change, so each is read once.

    Parameters
    ----------
    objects : Objects
    trees : Trees
    """

    def __init__(self, objects: Objects, trees: Trees) -> None:
        self._objects, self._trees = objects, trees
        self._known: dict[str, Commit] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Commit:
        """The commit of that id."""
        with self._lock:
            if (known := self._known.get(name)) is not None:
                return known
        body = self._objects.read(commit_key(name))
        if body is None or digest(body) != name:
            raise Corrupt(f"commit {name} is {'gone' if body is None else 'not what its name says'}")
        commit = Commit.model_validate_json(body)
        with self._lock:
            self._known[name] = commit
        return commit

    def keep(self, commit: Commit) -> str:
        """Store a commit whose root is stored; its id."""
        body = commit.document
        name = digest(body)
        self._objects.keep(commit_key(name), body)
        return name

    def starting_with(self, prefix: str, dataset: str) -> list[str]:
        """Ids of the dataset's commits that start with ``prefix``."""
        found = self._objects.names(COMMITS + prefix, limit=100)
        names = [key.removeprefix(COMMITS).removesuffix(".json") for key in found]
        return [name for name in names if self.get(name).dataset == dataset]

    def walk(self, *heads: str) -> Iterator[tuple[str, Commit]]:
        """``heads`` and all their ancestors, children before parents."""
        order = count()
        seen = set(heads)
        heap = [(-self.get(name).generation, next(order), name) for name in dict.fromkeys(heads)]
        heapq.heapify(heap)
        while heap:
            _, _, name = heapq.heappop(heap)
            commit = self.get(name)
            yield name, commit
            for parent in commit.parents:
                if parent not in seen:
                    seen.add(parent)
                    heapq.heappush(heap, (-self.get(parent).generation, next(order), parent))

    def stands_on(self, head: str, ancestor: str) -> bool:
        """Whether ``ancestor`` is ``head`` or one of its ancestors."""
        floor = self.get(ancestor).generation
        for name, commit in self.walk(head):
            if name == ancestor:
                return True
            if commit.generation < floor:
                return False
        return False

    def bases(self, ours: str, theirs: str) -> list[str]:
        """The best common ancestors, sorted: common ancestors that no other one descends from. Often one, maybe
        none."""
        if ours == theirs:
            return [ours]
        flags = {ours: _OURS, theirs: _THEIRS}
        heap = [(-self.get(name).generation, name) for name in flags]
        heapq.heapify(heap)
        queued = set(flags)
        found: list[str] = []
        while any(not flags[name] & _STALE for name in queued):
            _, name = heapq.heappop(heap)
            queued.discard(name)
            mine = flags[name]
            if mine & (_OURS | _THEIRS) == _OURS | _THEIRS:
                if not mine & _STALE:
                    found.append(name)
                mine |= _STALE
            for parent in self.get(name).parents:
                before = flags.get(parent, 0)
                flags[parent] = before | mine
                if parent not in queued and before != flags[parent]:
                    queued.add(parent)
                    heapq.heappush(heap, (-self.get(parent).generation, parent))
        return sorted(name for name in found if not flags[name] & _STALE or self._is_best(name, found))

    def _is_best(self, name: str, found: Iterable[str]) -> bool:
        return not any(other != name and self.stands_on(other, name) for other in found)

    def blame(self, head: str, path: str) -> tuple[str, Commit]:
        """The commit that gave ``path`` its version in ``head``; raises `PathNotFound`."""
        name, commit = head, self.get(head)
        entry = self._trees.find(self._trees.root(commit.root), path)
        if entry is None:
            raise PathNotFound(f"commit {head[:12]} of dataset {commit.dataset!r} has no path {path!r}")
        while True:
            for parent in commit.parents:
                if self._trees.find(self._trees.root(self.get(parent).root), path) == entry:
                    name, commit = parent, self.get(parent)
                    break
            else:
                return name, commit
