"""Entries, roots, commits and moves of refs: frozen values without any heavy import."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, NamedTuple

from pydantic import AwareDatetime, Field, StringConstraints

from headwater.values import Stored, Value
from headwater.versions.errors import InvalidName

PREFIX = "versions/"
"""Prefix of ranges, roots and commits in the lake."""
STAGING = "data/"
"""Prefix of files that are uploaded to a branch; gc deletes file versions here and nowhere else."""
MAIN = "main"
LARGEST_PATH = 1024
"""Bytes of a path, and of a key."""

Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Kind = Literal["branch", "tag"]

_DATASET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*")
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")


class Entry(NamedTuple):
    """A path of a tree, pinned to one version of one S3 object, whose key is the origin's prefix and the path."""

    path: str
    origin: str
    """``<bucket>/<prefix>``."""
    version_id: str
    size: int
    """Bytes."""
    checksum: str
    """Base64; for an object that was uploaded in parts followed by ``-<parts>``."""
    algorithm: str
    """``SHA256`` or ``CRC64NVME``."""

    @property
    def bucket(self) -> str:
        """The object's bucket."""
        return self.origin.partition("/")[0]

    @property
    def key(self) -> str:
        """The object's key."""
        return self.origin.partition("/")[2] + self.path

    @property
    def content(self) -> tuple[int, str, str]:
        """Equal for entries that hold the same bytes."""
        return self.size, self.algorithm, self.checksum


class Change(NamedTuple):
    """The difference of one path between two trees: added (no ``before``), removed (no ``after``) or changed."""

    path: str
    before: Entry | None
    after: Entry | None

    @property
    def kind(self) -> str:
        """``added``, ``removed``, ``changed``, or ``repinned`` if another version holds the same bytes."""
        if self.before is None:
            return "added"
        if self.after is None:
            return "removed"
        return "repinned" if self.before.content == self.after.content else "changed"


class RangeRef(Value):
    """A range as its root lists it."""

    id: Hash
    first: str
    last: str
    rows: int = Field(ge=1)
    size: int = Field(ge=0)
    """Sum of the entries' sizes."""
    pins: Hash
    """Hash of paths and version ids alone: a listing can be compared with it without reading the range."""


class Addressed(Stored):
    """A stored value whose id is the hash of its bytes."""

    @property
    def id(self) -> str:
        """The sha256 of `document`: equal values have equal ids."""
        return digest(self.document)

    @property
    def document(self) -> bytes:
        """The stored bytes."""
        return canonical(self.model_dump(mode="json"))


class Root(Addressed):
    """A whole tree: its ranges in the order of their paths."""

    ranges: tuple[RangeRef, ...] = ()

    @property
    def rows(self) -> int:
        """Paths in the tree."""
        return sum(part.rows for part in self.ranges)

    @property
    def size(self) -> int:
        """Sum of the entries' sizes, bytes."""
        return sum(part.size for part in self.ranges)


class Commit(Addressed):
    """A tree, where it came from, and why."""

    dataset: str
    root: Hash
    parents: tuple[Hash, ...] = Field(max_length=2)
    """None of a first commit, two of a merge: first the branch that it was merged into."""
    generation: int = Field(ge=1)
    """One more than the highest generation of its parents: an order that needs no clock."""
    author: str
    time: AwareDatetime
    """UTC; never earlier than the parents' times, even if the clock ran backwards."""
    message: str
    meta: Mapping[str, str] = Field(default_factory=dict)


class RefMove(Stored):
    """One entry of a ref's log. The log is append-only; the ref itself is its last entry."""

    dataset: str
    kind: Kind
    name: str
    sequence: int = Field(ge=1)
    before: Hash | None
    """The commit that the ref pointed at before; None if the ref didn't exist."""
    to: Hash | None
    """The commit that the ref points at since; None if the ref was deleted."""
    staged: Hash | None = None
    """Root of the branch's staged files at the last commit of its place; None if its place was never committed."""
    at: datetime
    """UTC; never earlier than the entry before, even if the clock ran backwards."""
    by: str = ""
    why: str = ""
    write_id: str
    """Identifies this write, so that a writer whose answer was lost recognises its own entry."""


def canonical(document: object) -> bytes:
    """JSON with sorted keys, without spaces, in UTF-8."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(document: bytes) -> str:
    """sha256, hexadecimal."""
    return hashlib.sha256(document).hexdigest()


def check_dataset(name: str) -> str:
    """``name``, if a dataset can be called that; raises `InvalidName`."""
    if not _DATASET.fullmatch(name) or len(name) > 128:
        raise InvalidName(
            f"{name!r} can't be a dataset's name: expected words of letters, digits, _ . - separated by /, at most 128"
        )
    return name


def check_ref(kind: Kind, name: str) -> str:
    """``name``, if a branch or tag can be called that; raises `InvalidName`."""
    if not _REF.fullmatch(name) or len(name) > 128 or re.fullmatch(r"[0-9a-f]{64}", name):
        raise InvalidName(
            f"{name!r} can't be a {kind}'s name: expected words of letters, digits, _ . - separated by /, at most 128, "
            "and not a commit's id"
        )
    return name


def staging_area(bucket: str, dataset: str, branch: str) -> str:
    """The origin whose objects are staged for a branch: no name holds an ``@``, so no two places overlap."""
    return f"{bucket}/{STAGING}{dataset}@{branch}/"
