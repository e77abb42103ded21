"""The objects that lineage looks through, at each of their versions: the only calls to AWS of this package."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

from headwater.storage.clients import Clients
from headwater.storage.objects import Bucket, ObjectGone
from headwater.values import Pointer

A = TypeVar("A")
T = TypeVar("T")

READERS = 16


class Listed(NamedTuple):
    """One version of an object."""

    pointer: Pointer
    size: int
    """Bytes."""


class ObjectVersions:
    """Every version of a bucket's objects, also of those that were deleted or replaced."""

    def __init__(self, bucket: str, clients: Clients) -> None:
        self.bucket = bucket
        self._s3, self._objects = clients("s3"), Bucket(bucket, clients)

    def under(self, prefix: str) -> Iterator[Listed]:
        """The versions of all objects under ``prefix``, by key."""
        for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=prefix):
            for found in page.get("Versions", ()):
                # "null" is S3's own name of a version from before the bucket kept versions.
                pointer = Pointer(bucket=self.bucket, key=found["Key"], version_id=found.get("VersionId") or "null")
                yield Listed(pointer, found["Size"])

    def folders(self, prefix: str) -> list[str]:
        """The names directly below ``prefix`` that have something below them."""
        pages = self._s3.get_paginator("list_object_versions").paginate(
            Bucket=self.bucket, Prefix=prefix, Delimiter="/"
        )
        found = {entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", ())}
        return sorted(name.removeprefix(prefix).rstrip("/") for name in found)

    def fetch(self, pointer: Pointer, path: Path) -> bool:
        """Write an object's version to a file; False if it was deleted."""
        return self._objects.fetch(pointer, path)

    def read(self, pointer: Pointer) -> bytes | None:
        """The bytes of an object's version; None if it was deleted."""
        try:
            return self._objects.read(pointer)
        except ObjectGone:
            return None

    def is_there(self, pointer: Pointer) -> bool:
        """Whether an object's version exists."""
        try:
            self._objects.head(pointer)
        except ObjectGone:
            return False
        return True


def at_once(call: Callable[[T], A], given: Sequence[T]) -> list[A]:
    """The answers of ``call``, in order, several at the same time."""
    with ThreadPoolExecutor(READERS, thread_name_prefix="forgetting") as pool:
        return list(pool.map(call, given))
