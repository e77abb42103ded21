"""What became of a branch's place, or of an imported prefix, since it was last looked at: a listing beside a tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from headwater.versions.errors import InvalidName, NotPinnable
from headwater.versions.ranges import pins_of
from headwater.versions.store import Listed, Objects, together
from headwater.versions.tree import Edit, Trees
from headwater.versions.types import LARGEST_PATH, Entry, Root

Progress = Callable[[int], None]
"""Told, now and then, how many more objects were seen."""
Found = tuple[str, Listed | None]
"""A path that isn't what the tree holds: its newest version, or None if it is gone."""


def differences(objects: Objects, trees: Trees, origin: str, known: Root, progress: Progress) -> Iterator[Found]:
    """How the objects under ``origin`` differ from ``known``, a tree of that origin alone; sorted by path.

    Of a range whose paths and versions are all as listed, nothing is read.
    """
    listed = _listed(objects, origin, progress)
    coming = next(listed, None)
    for part in known.ranges:
        seen: list[Listed] = []
        while coming is not None and coming.path <= part.last:
            seen.append(coming)
            coming = next(listed, None)
        if len(seen) == part.rows and part.pins == pins_of(*_columns(seen)):
            continue
        yield from _compared(seen, trees.rows(part))
    while coming is not None:
        yield coming.path, coming
        coming = next(listed, None)


def unlike(objects: Objects, origin: str, had: Iterator[Entry], progress: Progress) -> Iterator[Found]:
    """The same beside entries of that origin which are only a part of a tree; sorted by path."""
    entry = next(had, None)
    for one in _listed(objects, origin, progress):
        while entry is not None and entry.path < one.path:
            yield entry.path, None
            entry = next(had, None)
        if entry is not None and entry.path == one.path:
            known, entry = entry.version_id, next(had, None)
            if known == one.version_id:
                continue
        yield one.path, one
    while entry is not None:
        yield entry.path, None
        entry = next(had, None)


def origin_of(uri: str) -> str:
    """``s3://bucket/folder`` as an origin, ``bucket/folder/``; raises `InvalidName`."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket:
        raise InvalidName(f"{uri!r} is no place in S3: expected s3://bucket/folder")
    # A folder ends with a slash: s3://b/day must not hold s3://b/day2/x.
    return f"{bucket}/{prefix}" if not prefix or prefix.endswith("/") else f"{bucket}/{prefix}/"


def _columns(seen: list[Listed]) -> tuple[list[str], list[str]]:
    return [one.path for one in seen], [one.version_id or "" for one in seen]


def _listed(objects: Objects, origin: str, progress: Progress) -> Iterator[Listed]:
    """The objects under ``origin``, by path; neither deleted ones nor the console's mark for the folder itself."""
    bucket, _, prefix = origin.partition("/")
    count = 0
    for one in objects.newest(bucket, prefix):
        if one.version_id is None or not one.path:
            continue
        yield one
        count += 1
        if count % 1000 == 0:
            progress(1000)
    progress(count % 1000)


def _compared(seen: list[Listed], rows: list[Entry]) -> Iterator[Found]:
    now = {one.path: one for one in seen}
    before = {entry.path: entry.version_id for entry in rows}
    for path in sorted(now.keys() | before.keys()):
        one = now.get(path)
        if one is None or before.get(path) != one.version_id:
            yield path, one


def pinned(objects: Objects, origin: str, found: Iterable[Found]) -> Iterator[Edit]:
    """The edits that ``found`` means, each new version with its checksum; S3 is asked concurrently."""

    def pin(batch: list[Found]) -> list[Edit]:
        new = []
        for path, listed in batch:
            if listed is None:
                continue
            if len(path.encode()) > LARGEST_PATH:
                raise NotPinnable(f"{path[:80]!r}…: longer than {LARGEST_PATH} bytes")
            assert listed.version_id is not None  # noqa: S101 - deleted ones were left out
            new.append((path, listed.version_id))
        entries = {entry.path: entry for entry in objects.pin_all(origin, new)}
        return [(path, entries.get(path)) for path, _ in batch]

    return together(pin, found)
