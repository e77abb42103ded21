"""Uploads, what became of them, and snapshots: frozen values without any heavy import."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from headwater.lake.errors import NotAnUpload

LANDING = "landing"
SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".jsonl", ".ndjson", ".json")
LONGEST_SEQUENCER = 64


class Value(BaseModel):
    """A frozen value that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Pointer(Value):
    """One version of one S3 object: what it names can't change."""

    bucket: str
    key: str
    version_id: str


class Upload(Value):
    """One version of one object that landed."""

    bucket: str = Field(min_length=1)
    key: str = Field(min_length=1)
    version_id: str = Field(min_length=1)
    size: int = Field(ge=0)
    """Bytes."""
    sequencer: str = Field(pattern=rf"^[0-9A-Fa-f]{{1,{LONGEST_SEQUENCER}}}$")
    """S3's order among the versions of one key, a hexadecimal number."""

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """The upload that an EventBridge event ``Object Created`` tells of.

        Unlike S3's own notifications, EventBridge's carry the key as it is: ``+`` and ``%20`` are part of the name.

        Raises
        ------
        NotAnUpload
            The event lacks a part, such as the version id (the bucket isn't versioned).
        """
        try:
            created = event["detail"]["object"]
            return cls(
                bucket=event["detail"]["bucket"]["name"],
                key=created["key"],
                version_id=created.get("version-id") or "",
                size=created["size"],
                sequencer=created["sequencer"],
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise NotAnUpload(f"not an event of an object that was created: it has no {error}") from error
        except ValidationError as error:
            fields = ", ".join(str(problem["loc"][0]).replace("_", "-") for problem in error.errors())
            raise NotAnUpload(
                f"event of an object that was created: no usable {fields}; is the bucket versioned?"
            ) from error

    @property
    def id(self) -> str:
        """Names the upload and its run: the same for every event of the same version."""
        return hashlib.sha256(json.dumps([self.bucket, self.key, self.version_id]).encode()).hexdigest()

    @property
    def source(self) -> str:
        """The folder below ``landing/``; empty if there is none."""
        return self.key.split("/")[1] if self.key.count("/") >= 2 else ""

    @property
    def file(self) -> str:
        """The rest of the key: the file's name within its source."""
        return self.key.split("/", 2)[-1]

    @property
    def is_folder(self) -> bool:
        """Whether it is the empty object that S3's console makes for a folder."""
        return self.key.endswith("/") and self.size == 0

    @property
    def suffix(self) -> str:
        """What the file says it is, such as ``.csv``, gzipped or not."""
        return PurePosixPath(self.file.lower().removesuffix(".gz")).suffix

    @property
    def stem(self) -> str:
        """The file's name without its suffixes."""
        name = self.file.removesuffix(".gz").removesuffix(".GZ")
        return name[: -len(self.suffix)] if self.suffix in SUFFIXES and len(name) > len(self.suffix) else name

    @property
    def order(self) -> str:
        """The sequencer in a form that compares as text: S3 says to pad the shorter one with zeros on the right."""
        return self.sequencer.upper().ljust(LONGEST_SEQUENCER, "0")


class IngestionStatus(StrEnum):
    """What became of an upload."""

    INGESTED = "INGESTED"
    REFUSED = "REFUSED"


class Ingestion(Value):
    """What became of an upload, as the registry remembers it."""

    source: str
    file: str
    upload: Upload
    status: IngestionStatus
    rows_in: int = 0
    rows_out: int = 0
    rows_rejected: int = 0
    """Rows that failed the contract; in quarantine, with their reasons."""
    rows_repeated: int = 0
    """Rows whose keys an earlier row of the file has; in quarantine too, but not held against the file."""
    reasons: tuple[str, ...] = ()
    """Why rows, or the whole file, were refused, the most frequent first."""
    curated: Pointer | None = None
    quarantine: Pointer | None = None
    counts: bool = False
    """Whether this version of the file was the newest one when it was ingested."""
    at: AwareDatetime


class PinnedFile(Value):
    """A curated file at the version that counted when the snapshot was taken."""

    source: str
    file: str
    at: Pointer
    revision: int
    """Grows with each change of the source: of two files, the one that changed later has the higher one."""


class Snapshot(Value):
    """The curated files of some sources, pinned: reading it gives the same rows for ever."""

    sources: tuple[str, ...]
    files: tuple[PinnedFile, ...]

    @property
    def id(self) -> str:
        """The *data version*: the same for the same pinned files."""
        pinned = sorted([entry.source, entry.file, entry.at.key, entry.at.version_id] for entry in self.files)
        return hashlib.sha256(json.dumps(pinned).encode()).hexdigest()

    def only(self, sources: Sequence[str]) -> Snapshot:
        """The part of it that is about ``sources``."""
        kept = tuple(sorted(set(sources)))
        return Snapshot(sources=kept, files=tuple(entry for entry in self.files if entry.source in kept))

    @property
    def revision(self) -> int:
        """Grows as the sources change: a later snapshot of the same sources has a higher one."""
        newest: dict[str, int] = {}
        for entry in self.files:
            newest[entry.source] = max(entry.revision, newest.get(entry.source, 0))
        return sum(newest.values())
