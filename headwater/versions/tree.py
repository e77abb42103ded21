"""Trees: sorted entries stored in ranges. A change rewrites few ranges, and a comparison reads few."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from headwater.versions.errors import Corrupt
from headwater.versions.ranges import Codec, Cut, describe
from headwater.versions.types import PREFIX, Change, Entry, RangeRef, Root, digest

Edit = tuple[str, Entry | None]
"""An edit of a path: its new entry, or None to remove the path."""

_REMEMBERED = 4
_UNDER_WAY = 4
EMPTY = Root()
CUT = Cut()
_NOBODY = Entry("", "", "", 0, "", "")


def range_key(name: str) -> str:
    """Key of a range."""
    return f"{PREFIX}ranges/{name}.parquet"


def root_key(name: str) -> str:
    """Key of a root."""
    return f"{PREFIX}roots/{name}.json"


class Store(Protocol):
    """A store of ranges and roots."""

    def keep(self, key: str, body: bytes) -> None:
        """Store ``body`` under ``key``, which is named by it; on return it is there."""

    def read(self, key: str) -> bytes | None:
        """The bytes under ``key``; None if there are none."""


class Trees:
    """Reads and writes trees.

    Parameters
    ----------
    objects : Store
    cut : Cut
        Must be the same for everyone who writes the lake, or equal trees don't share ranges.
    """

    def __init__(self, objects: Store, cut: Cut = CUT) -> None:
        self._objects = objects
        self._cut = cut
        self._codec = Codec()
        self._recent: OrderedDict[str, list[Entry]] = OrderedDict()
        self._lock = threading.Lock()

    # -- reading ------------------------------------------------------------------------------------------------

    def root(self, name: str | None) -> Root:
        """The root of that id; the empty one for None."""
        if name is None or name == EMPTY.id:
            return EMPTY
        body = self._objects.read(root_key(name))
        if body is None or digest(body) != name:
            raise Corrupt(f"root {name} is {'gone' if body is None else 'not what its name says'}")
        return Root.model_validate_json(body)

    def rows(self, part: RangeRef) -> list[Entry]:
        """The entries of a range, sorted by path; don't change the list."""
        with self._lock:
            if (known := self._recent.get(part.id)) is not None:
                self._recent.move_to_end(part.id)
                return known
        rows = self._codec.decode(self._body(part))
        if not rows or describe(rows) != part:
            raise Corrupt(f"range {part.id} is not what its name says")
        with self._lock:
            self._recent[part.id] = rows
            while len(self._recent) > _REMEMBERED:
                self._recent.popitem(last=False)
        return rows

    def _body(self, part: RangeRef) -> bytes:
        body = self._objects.read(range_key(part.id))
        if body is None:
            raise Corrupt(f"range {part.id} is gone")
        return body

    def entries(self, root: Root, prefix: str = "") -> Iterator[Entry]:
        """The entries whose path starts with ``prefix``, sorted by path."""
        for part in root.ranges:
            if part.last < prefix or (part.first > prefix and not part.first.startswith(prefix)):
                continue
            yield from (entry for entry in self.rows(part) if entry.path.startswith(prefix))

    def find(self, root: Root, path: str) -> Entry | None:
        """The entry of one path, from the one range that could hold it."""
        place = bisect_left(root.ranges, path, key=lambda part: part.last)
        if place == len(root.ranges) or root.ranges[place].first > path:
            return None
        rows = self.rows(root.ranges[place])
        index = bisect_left(rows, path, key=lambda entry: entry.path)
        return rows[index] if index < len(rows) and rows[index].path == path else None

    # -- comparing ----------------------------------------------------------------------------------------------

    def diff(self, before: Root, after: Root, *, checked: bool = False) -> Iterator[Change]:
        """The differences, sorted by path. Ranges that both trees share aren't read.

        ``checked`` compares every range with its name first, which takes ten times as long. Entries that go into
        another tree must come from checked ranges.
        """
        old, new = before.ranges, after.ranges
        i = j = 0
        while i < len(old) or j < len(new):
            if i < len(old) and j < len(new) and old[i] == new[j]:
                i, j = i + 1, j + 1
                continue
            # Overlapping ranges are compared together, up to the next path at which both sides end a range.
            start_i, start_j, reach = i, j, ""
            while True:
                if i < len(old) and (
                    old[i].first <= reach or (i == start_i and j == start_j and _leads(old, i, new, j))
                ):
                    reach, i = max(reach, old[i].last), i + 1
                elif j < len(new) and (new[j].first <= reach or (i == start_i and j == start_j)):
                    reach, j = max(reach, new[j].last), j + 1
                else:
                    break
            same = {part.id for part in old[start_i:i]} & {part.id for part in new[start_j:j]}
            compare = self._compare_checked if checked else self._compare
            yield from compare(
                [part for part in old[start_i:i] if part.id not in same],
                [part for part in new[start_j:j] if part.id not in same],
            )

    def _compare(self, old: Sequence[RangeRef], new: Sequence[RangeRef]) -> Iterator[Change]:
        found = self._codec.differences([self._body(part) for part in old], [self._body(part) for part in new])
        changes = (Change((before or after or _NOBODY).path, before, after) for before, after in found)
        yield from sorted(changes, key=lambda change: change.path)

    def _compare_checked(self, old: Sequence[RangeRef], new: Sequence[RangeRef]) -> Iterator[Change]:
        before = {e.path: e for part in old for e in self.rows(part)}
        after = {e.path: e for part in new for e in self.rows(part)}
        # Rows compare in C as tuples; only those that differ are looked at one by one.
        changed = {path for path, _ in before.items() ^ after.items()}
        for path in sorted(changed):
            yield Change(path, before.get(path), after.get(path))

    # -- writing ------------------------------------------------------------------------------------------------

    def apply(self, root: Root, edits: Iterable[Edit]) -> Root:
        """The tree that ``edits``, sorted by path, make of ``root``; stored when this returns.

        The result depends on the entries alone, not on the order of edits. A range is kept if none of its entries
        changed and the range before it ends at the same path.
        """
        with _Writer(self._objects, self._codec, self._cut, root) as writer:
            coming = _Peekable(edits)
            for number, part in enumerate(root.ranges):
                is_last = number == len(root.ranges) - 1
                untouched = coming.peek() is None or (coming.peek() or ("",))[0] > part.last
                if (
                    untouched
                    and writer.is_between
                    and (self._cut.is_closed(part) or (is_last and coming.peek() is None))
                ):
                    writer.keep(part)
                    continue
                for entry in self.rows(part):
                    while (edit := coming.peek()) is not None and edit[0] < entry.path:
                        writer.add_edit(coming.take())
                    if edit is not None and edit[0] == entry.path:
                        writer.add_edit(coming.take())
                    else:
                        writer.add(entry)
            while coming.peek() is not None:
                writer.add_edit(coming.take())
        return self.store(writer.root)

    def store(self, root: Root) -> Root:
        """Keep a root whose ranges are kept."""
        self._objects.keep(root_key(root.id), root.document)
        return root


def _leads(old: Sequence[RangeRef], i: int, new: Sequence[RangeRef], j: int) -> bool:
    return j >= len(new) or old[i].first <= new[j].first


class _Peekable:
    """Edits, of which the next can be looked at; checks that they are sorted."""

    def __init__(self, edits: Iterable[Edit]) -> None:
        self._edits = iter(edits)
        self._next = next(self._edits, None)

    def peek(self) -> Edit | None:
        return self._next

    def take(self) -> Edit:
        taken = self._next
        assert taken is not None  # noqa: S101 - whoever takes has peeked
        self._next = next(self._edits, None)
        if self._next is not None and self._next[0] <= taken[0]:
            raise ValueError(f"edits must be sorted by path: {self._next[0]!r} after {taken[0]!r}")
        return taken


class _Writer:
    """Cuts entries into ranges and stores them, a few at a time."""

    def __init__(self, objects: Store, codec: Codec, cut: Cut, before: Root) -> None:
        self._objects, self._codec, self._cut = objects, codec, cut
        self._kept = {part.id for part in before.ranges}
        self._rows: list[Entry] = []
        self._parts: list[RangeRef] = []
        self._pending: deque[Future[None]] = deque()
        self._encoding: tuple[RangeRef, Future[bytes]] | None = None
        self._pool = ThreadPoolExecutor(1 + _UNDER_WAY, thread_name_prefix="ranges")

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._flush()
                self._hand_over()
                while self._pending:
                    self._pending.popleft().result()
        finally:
            self._pool.shutdown(cancel_futures=True)

    @property
    def is_between(self) -> bool:
        """Whether the next entry begins a range."""
        return not self._rows

    @property
    def root(self) -> Root:
        return Root(ranges=tuple(self._parts))

    def keep(self, part: RangeRef) -> None:
        self._parts.append(part)

    def add_edit(self, edit: Edit) -> None:
        if edit[1] is not None:
            self.add(edit[1])

    def add(self, entry: Entry) -> None:
        self._rows.append(entry)
        if len(self._rows) >= self._cut.largest or self._cut.ends(entry.path):
            self._flush()

    def _flush(self) -> None:
        if not self._rows:
            return
        rows, self._rows = self._rows, []
        part = describe(rows)
        self._parts.append(part)
        # Ranges of the tree before are reachable, so gc keeps them.
        if part.id not in self._kept:
            self._kept.add(part.id)
            # Rows take ten times the memory of their file: those of one range are encoded while the next ones come.
            self._hand_over()
            self._encoding = part, self._pool.submit(self._codec.encode, rows)

    def _hand_over(self) -> None:
        """Store what was encoded last, while more is encoded."""
        if self._encoding is None:
            return
        (part, encoded), self._encoding = self._encoding, None
        self._pending.append(self._pool.submit(self._objects.keep, range_key(part.id), encoded.result()))
        if len(self._pending) > _UNDER_WAY:
            self._pending.popleft().result()


def sorted_edits(edits: Iterable[Edit]) -> list[Edit]:
    """Sort edits by path; of several edits of one path the last counts."""
    return sorted(dict(edits).items())
