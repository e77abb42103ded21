"""Three-way merges, path by path: one side's change is taken, two different changes are a conflict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from headwater.versions.tree import Edit, Trees
from headwater.versions.types import Change, Entry, Root

Strategy = Literal["ours", "theirs"]


class Merged(NamedTuple):
    """Result of a merge."""

    edits: list[Edit]
    """Edits, sorted, that bring the other side into ours."""
    conflicts: list[str]
    """Paths on which the two disagree, sorted; a strategy has decided them in ``edits``."""


class _Outcome(NamedTuple):
    ours: Entry | None
    theirs: Entry | None
    chosen: Entry | None
    is_conflict: bool


def merged(trees: Trees, bases: Sequence[Root], ours: Root, theirs: Root, strategy: Strategy | None = None) -> Merged:
    """Bring the changes of ``theirs`` since the ``bases`` into ``ours``.

    With several bases (histories that crossed) a path is settled only if every base settles it the same way.
    """
    settled = [
        dict(_settle(trees.diff(base, ours, checked=True), trees.diff(base, theirs, checked=True))) for base in bases
    ]
    edits: list[Edit] = []
    conflicts: list[str] = []
    for path in sorted(set[str]().union(*settled)):
        found = [outcomes[path] for outcomes in settled if path in outcomes]
        if len(found) < len(settled) or found[0].ours == found[0].theirs:
            # A base in which neither side changed a path has the same entry as both sides.
            continue
        first, chosen = found[0], found[0].chosen
        if any(outcome.is_conflict or outcome.chosen != chosen for outcome in found):
            conflicts.append(path)
            chosen = first.theirs if strategy == "theirs" else first.ours
        if chosen != first.ours:
            edits.append((path, chosen))
    return Merged(edits, conflicts)


def _settle(ours: Iterator[Change], theirs: Iterator[Change]) -> Iterator[tuple[str, _Outcome]]:
    """Walk the changes of both sides, each sorted by path."""
    mine, other = next(ours, None), next(theirs, None)
    while mine is not None or other is not None:
        if other is None or (mine is not None and mine.path < other.path):
            assert mine is not None  # noqa: S101 - one of the two is there
            yield mine.path, _Outcome(mine.after, mine.before, mine.after, is_conflict=False)
            mine = next(ours, None)
        elif mine is None or other.path < mine.path:
            yield other.path, _Outcome(other.before, other.after, other.after, is_conflict=False)
            other = next(theirs, None)
        else:
            yield mine.path, _both(mine.after, other.after)
            mine, other = next(ours, None), next(theirs, None)


def _both(ours: Entry | None, theirs: Entry | None) -> _Outcome:
    if ours is not None and theirs is not None and ours.content == theirs.content:
        # The same bytes twice: either pin will do, and both directions of a merge must take the same.
        return _Outcome(ours, theirs, min(ours, theirs), is_conflict=False)
    return _Outcome(ours, theirs, ours, is_conflict=ours != theirs)
