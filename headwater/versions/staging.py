"""Changes of a branch's place or an imported prefix since its last commit: a listing compared with a tree."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from headwater.versions.errors import InvalidName, NotPinnable
from headwater.versions.ranges import pins_of
from headwater.versions.store import Objects, together
from headwater.versions.tree import Edit, Trees
from headwater.versions.types import LARGEST_PATH, Entry, Root

Progress = Callable[[int], None]
"""Called now and then with the number of objects seen since the last call."""
_STRETCH = 4096
"""Fewest objects that make a stretch of its own in a parallel listing."""
Found = tuple[str, str | None]
"""A path that isn't what the tree holds, and the id of its newest version, or None if it is gone."""


def differences(objects: Objects, trees: Trees, origin: str, known: Root, progress: Progress) -> Iterator[Found]:
    """The differences between the objects under ``origin`` and ``known``, a tree of that origin alone; sorted by path.

    A range whose paths and versions all match the listing isn't read.
    """
    listing = _Listing(objects, origin, known, progress)
    for part in known.ranges:
        paths: list[str] = []
        version_ids: list[str] = []
        coming = listing.until(part.last)
        for more in coming:
            paths += more[0]
            version_ids += more[1]
            if len(paths) > part.rows:
                break  # the range has changed, and its listed size isn't known
        if len(paths) == part.rows and part.pins == pins_of(paths, version_ids):
            continue
        yield from _unlike(chain(zip(paths, version_ids, strict=True), _pairs(coming)), iter(trees.rows(part)))
    yield from _pairs(listing.until(None))


def unlike(objects: Objects, trees: Trees, origin: str, known: Root, progress: Progress) -> Iterator[Found]:
    """As `differences`, where entries of that origin are only a part of ``known``; sorted by path."""
    had = (entry for entry in trees.entries(known) if entry.origin == origin)
    return _unlike(_pairs(_Listing(objects, origin, known, progress).until(None)), had)


def origin_of(uri: str) -> str:
    """``s3://bucket/folder`` as an origin, ``bucket/folder/``; raises `InvalidName`."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket:
        raise InvalidName(f"{uri!r} is no place in S3: expected s3://bucket/folder")
    # A folder ends with a slash: s3://b/day must not hold s3://b/day2/x.
    return f"{bucket}/{prefix}" if not prefix or prefix.endswith("/") else f"{bucket}/{prefix}/"


class _Listing:
    """The objects under an origin, by path, without the console's mark for the folder itself; as columns.

    Parameters
    ----------
    objects : Objects
    origin : str
    known : Root
        A tree: where some of its ranges end the listing is divided.
    progress : Progress
    """

    def __init__(self, objects: Objects, origin: str, known: Root, progress: Progress) -> None:
        bucket, _, prefix = origin.partition("/")
        self._pages = objects.newest(bucket, prefix, list(_breaks(known)))
        self._progress = progress
        self._paths: list[str] = []
        self._version_ids: list[str] = []
        self._at = 0

    def until(self, last: str | None) -> Iterator[tuple[list[str], list[str]]]:
        """The next objects up to and including the path ``last``, or all; at most a page at a time."""
        while True:
            if self._at == len(self._paths):
                page = next(self._pages, None)
                if page is None:
                    return
                (self._paths, self._version_ids), self._at = page, 0
                self._progress(len(self._paths))
                continue
            start, end = self._at, len(self._paths)
            if last is not None and self._paths[-1] > last:
                end = bisect_right(self._paths, last, start)
            self._at = end
            if start < end:
                yield self._paths[start:end], self._version_ids[start:end]
            if end < len(self._paths):
                return


def _breaks(known: Root) -> Iterator[str]:
    """Where to divide a listing so that each stretch is worth some requests of its own."""
    rows = 0
    for part in known.ranges:
        rows += part.rows
        if rows >= _STRETCH:
            rows = 0
            yield part.last


def _pairs(columns: Iterable[tuple[list[str], list[str]]]) -> Iterator[tuple[str, str]]:
    for paths, version_ids in columns:
        yield from zip(paths, version_ids, strict=True)


def _unlike(listed: Iterable[tuple[str, str]], had: Iterator[Entry]) -> Iterator[Found]:
    entry = next(had, None)
    for path, version_id in listed:
        while entry is not None and entry.path < path:
            yield entry.path, None
            entry = next(had, None)
        if entry is not None and entry.path == path:
            known, entry = entry.version_id, next(had, None)
            if known == version_id:
                continue
        yield path, version_id
    while entry is not None:
        yield entry.path, None
        entry = next(had, None)


def pinned(objects: Objects, origin: str, found: Iterable[Found]) -> Iterator[Edit]:
    """The edits for ``found``, each new version with its checksum, which S3 is asked for concurrently."""

    def pin(batch: list[Found]) -> list[Edit]:
        new = []
        for path, version_id in batch:
            if version_id is None:
                continue
            if len(path.encode()) > LARGEST_PATH:
                raise NotPinnable(f"{path[:80]!r}…: longer than {LARGEST_PATH} bytes")
            new.append((path, version_id))
        entries = {entry.path: entry for entry in objects.pin_all(origin, new)}
        return [(path, entries.get(path)) for path, _ in batch]

    return together(pin, found)
