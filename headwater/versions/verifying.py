"""Checks that every pinned version still exists, is readable and has the committed bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from headwater.versions import checksums
from headwater.versions.errors import NotReadable, VersionGone
from headwater.versions.staging import Progress
from headwater.versions.store import Objects, Seen, together
from headwater.versions.types import Entry


class Problem(NamedTuple):
    """A problem of one entry."""

    entry: Entry
    kind: Literal["gone", "changed", "denied"]
    message: str


def verify(objects: Objects, entries: Iterable[Entry], read_bytes: bool, progress: Progress) -> Iterator[Problem]:
    """The problems of ``entries``, in their order; many entries are checked at the same time, few are held in
    memory."""

    def look(batch: list[Entry]) -> list[Problem | None]:
        return [_judged(objects, *pair, read_bytes) for pair in zip(batch, objects.look(batch), strict=True)]

    for problem in together(look, entries):
        progress(1)
        if problem is not None:
            yield problem


def _judged(objects: Objects, entry: Entry, seen: Seen | Exception, read_bytes: bool) -> Problem | None:
    try:
        if isinstance(seen, Exception):
            raise seen
        return _compared(objects, entry, seen, read_bytes)
    except VersionGone as error:
        return Problem(entry, "gone", error.message)
    except NotReadable as error:
        return Problem(entry, "denied", error.message.partition(";")[0])


def _compared(objects: Objects, entry: Entry, seen: Seen, read_bytes: bool) -> Problem | None:
    where = f"s3://{entry.bucket}/{entry.key} version {entry.version_id}"
    if seen.size != entry.size:
        return Problem(entry, "changed", f"{where} has {seen.size:,} bytes, committed were {entry.size:,}")
    kept = seen.checksums.get(entry.algorithm)
    # Without a stored checksum only the bytes can be compared.
    found = kept if kept is not None and not read_bytes else checksum_of(objects, entry)
    if found != entry.checksum:
        return Problem(entry, "changed", f"{where} has {entry.algorithm} {found}, committed was {entry.checksum}")
    return None


def checksum_of(objects: Objects, entry: Entry) -> str:
    """The checksum of a pinned version's bytes, computed as the entry's was."""
    count = checksums.parts(entry.checksum)
    if count is None:
        return checksums.of(objects.stream(entry), entry.algorithm)
    digests = []
    for number in range(1, count + 1):
        state = checksums.start(entry.algorithm)
        for chunk in objects.stream(entry, number):
            state.update(chunk)
        digests.append(state.digest())
    return checksums.of_parts(digests)
