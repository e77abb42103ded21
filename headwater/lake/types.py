"""Uploads, ingestions and data versions: frozen values without any heavy import."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from pydantic import AwareDatetime, Field, ValidationError

from headwater.lake.errors import NotAnUpload
from headwater.values import Pointer, Stored, Value

if TYPE_CHECKING:
    from headwater.declare import FeatureView

LANDING = "landing"
COLLECTED = "collected"
"""The metadatum of an upload that says which batch of a collector it is (`Ingestion.collected`)."""
STREAMED = "streamed"
"""Prefix of committed streamed rows, a folder for each view."""
SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".jsonl", ".ndjson", ".json")
LONGEST_SEQUENCER = 64
CURATED = "curated"
DIGITS = 16
"""Digits of a definition's digest."""
SHOWN_REASONS = 20
LONGEST_REASON = 500
"""Characters: `SHOWN_REASONS` of them stay far below what an item of the registry may hold."""


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
        """The source's name: the folder below ``landing/``; empty if there is none."""
        return self.key.split("/")[1] if self.key.count("/") >= 2 else ""

    @property
    def file(self) -> str:
        """The rest of the key: the file's name within its source."""
        return self.key.split("/", 2)[-1]

    @property
    def is_folder(self) -> bool:
        """Whether the object is the empty one that S3's console makes for a folder."""
        return self.key.endswith("/") and self.size == 0

    @property
    def suffix(self) -> str:
        """The file's suffix without that of gzip, such as ``.csv``."""
        return PurePosixPath(self.file.lower().removesuffix(".gz")).suffix

    @property
    def stem(self) -> str:
        """The file's name without its suffixes."""
        name = self.file.removesuffix(".gz").removesuffix(".GZ")
        return name[: -len(self.suffix)] if self.suffix in SUFFIXES and len(name) > len(self.suffix) else name

    @property
    def path(self) -> str:
        """Its path in the source's dataset: another file is never the same path."""
        return f"{self.file}.parquet"

    @property
    def order(self) -> str:
        """The sequencer in a form that compares as text: S3 says to pad the shorter one with zeros on the right."""
        return self.sequencer.upper().ljust(LONGEST_SEQUENCER, "0")


class Definition(Stored):
    """A source's definition as of some deployment."""

    source: str
    digest: str
    """Equal for definitions that make the same rows of the same file."""
    declared: Mapping[str, Any]
    """The source's fields as its product declares them, without the description."""
    columns: Mapping[str, str] = Field(default_factory=dict)
    """The contract's columns, in words."""
    at: AwareDatetime | None = None
    """When a file was first ingested under it."""

    @property
    def place(self) -> str:
        """The prefix of curated files that were made under the definition, so that a tree's entries name their
        definition."""
        return f"{CURATED}/{self.source}@{self.digest}/"


def digest_in(source: str, key: str) -> str | None:
    """The definition that a curated file's key names.

    Empty for a file from before definitions were recorded; None for a file that ingestion didn't make.
    """
    if key.startswith(f"{CURATED}/{source}@"):
        return key.split("/")[1].rpartition("@")[2]
    return "" if key.startswith(f"{CURATED}/{source}/") else None


class IngestionStatus(StrEnum):
    """Status of an upload's ingestion."""

    INGESTED = "INGESTED"
    REFUSED = "REFUSED"


class Ingestion(Stored):
    """The result of an upload's ingestion, as the registry stores it."""

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
    """Reasons why rows or the whole file were refused, the most frequent first, at most `SHOWN_REASONS`."""
    reasons_left_out: int = 0
    """Number of further reasons."""
    definition: str = ""
    """The digest of the source's definition; empty of ingestions from before it was recorded."""
    contract: str = ""
    """The rows' contract and a hash of the source's declaration."""
    code_version: str = ""
    """The code that ingested the upload: the hash of the functions' bundle, or the image's digest."""
    collected: str = ""
    """The batch of a collector that the upload is, as ``<collector>#<number>``; empty of other uploads."""
    curated: Pointer | None = None
    quarantine: Pointer | None = None
    commit: str | None = None
    """The commit of the source's dataset that holds the upload; its rows count from then on."""
    superseded: bool = False
    """Whether a later upload of the file was committed first, so that this upload never counted."""
    at: AwareDatetime

    @property
    def settled(self) -> bool:
        """True once the outcome of an ingested upload is final: committed, or superseded by a later upload."""
        return self.commit is not None or self.superseded

    def because(self, *reasons: str) -> Ingestion:
        """The same ingestion with ``reasons``, as many and as long as an item of the registry may hold."""
        return self.model_copy(
            update={
                "reasons": tuple(map(cut, reasons[:SHOWN_REASONS])),
                "reasons_left_out": max(0, len(reasons) - SHOWN_REASONS),
            }
        )


def cut(text: str, longest: int = LONGEST_REASON) -> str:
    """A text of at most ``longest`` characters, which says how many more there were."""
    if len(text) <= longest:
        return text
    kept = longest - 40
    return f"{text[:kept].rstrip()} … ({len(text) - kept:,} characters more)"


class ReingestOrder(Value):
    """Input of a reingestion."""

    source: str
    since: AwareDatetime | None = None
    """Only files that were ingested at that time or later; by default all of an older definition."""
    drop: bool = False
    """Whether the rows of files that can't be made again leave the dataset; by default nothing is switched then."""
    dry_run: bool = False
    """Only find out which files would be made again."""
    by: str = ""
    """The person who asked for the reingestion."""


class ReingestStatus(StrEnum):
    """Status of an ended reingestion."""

    PLANNED = "PLANNED"
    SWITCHED = "SWITCHED"
    NOTHING = "NOTHING"
    BLOCKED = "BLOCKED"
    """Some files would no longer count; nothing was switched."""
    FAILED = "FAILED"


class FileNote(Value):
    """A file by name, with a message about it."""

    file: str
    note: str


class Reingestion(Stored):
    """Result of a reingestion."""

    source: str
    run_id: str
    definition: str
    """The digest of the definition that the files are made again under."""
    status: ReingestStatus
    files: int = 0
    """Files that were made again, or would be."""
    size: int = 0
    """Their landed bytes."""
    rows_before: int = 0
    rows_after: int = 0
    commit: str | None = None
    """The one commit that switched the dataset over."""
    refused: tuple[FileNote, ...] = ()
    """Files that counted and are refused under the new definition; the first `SHOWN_REASONS`."""
    gone: tuple[FileNote, ...] = ()
    """Files that can't be made again, since what landed was deleted; the first `SHOWN_REASONS`."""
    lost: int = 0
    """Number of all files of those two lists."""
    still_refused: int = 0
    """Files that were refused before and are refused again, so none of their rows counted."""
    message: str = ""
    """Why it was blocked, or failed."""
    older: int = 0
    """Files of older definitions that the dataset still holds."""
    by: str = ""
    at: AwareDatetime


class Order(NamedTuple):
    """When a file landed, by S3's own time, stored with the curated version."""

    landed: datetime
    sequencer: str
    """Padded (`Upload.order`); empty if the version isn't ingestion's."""

    @classmethod
    def of(cls, metadata: Mapping[str, str], written: datetime) -> Self:
        """The landing of a curated version, from its metadata; without metadata, when the version was written."""
        landed = metadata.get("landed")
        return cls(datetime.fromisoformat(landed) if landed else written, metadata.get("sequencer", ""))

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata of a curated version."""
        return {"landed": self.landed.isoformat(), "sequencer": self.sequencer}

    def precedes(self, other: Order) -> bool:
        """Whether, of two versions of one file, this is the earlier one.

        The sequencer decides: an upload in parts carries the time at which it was begun.
        """
        if self.sequencer and other.sequencer:
            return self.sequencer < other.sequencer
        return self.landed < other.landed


class PinnedCommit(Value):
    """The commit of a source's branch at a moment."""

    commit: str
    revision: int = Field(ge=1)
    """Number of the branch's moves: grows with each change, also with a move back to an older commit."""


class DataVersion(Stored):
    """A commit of each of some sources, and of views' streamed rows: reading it gives the same rows for ever."""

    commits: Mapping[str, PinnedCommit] = Field(min_length=1)
    """By source; of a view's streamed rows, if there are any, by `streamed_of`."""

    @property
    def id(self) -> str:
        """Name of the data version: equal for equal commits, whoever pinned them."""
        return hashlib.sha256(json.dumps(sorted(self.ids.items())).encode()).hexdigest()

    @property
    def ids(self) -> dict[str, str]:
        """Each source's commit, and that of each view's streamed rows."""
        return {source: pinned.commit for source, pinned in self.commits.items()}

    def only(self, sources: Sequence[str]) -> DataVersion:
        """The data version restricted to ``sources``."""
        return DataVersion(commits={source: self.commits[source] for source in sorted(set(sources))})

    def of(self, view: FeatureView) -> DataVersion:
        """The data version restricted to a view's sources, and its streamed rows if they are pinned."""
        streamed = streamed_of(view.name)
        return self.only([*view.sources, streamed] if streamed in self.commits else view.sources)

    @property
    def revision(self) -> int:
        """Revision of the data: a later data version of the same sources and views has a higher one."""
        return sum(pinned.revision for pinned in self.commits.values())


def streamed_of(view: str) -> str:
    """Name of the dataset of a view's streamed rows, also in a data version. No source's name has a slash."""
    return f"{STREAMED}/{view}"


def streamed_table(view: str) -> str:
    """Name of the table of a view's streamed rows (`headwater.lake.service.Lake.tables`)."""
    return f"__streamed_{view}"


def dataset_of(name: str) -> str:
    """The dataset that a data version's part is a commit of: a source's curated files, or a view's streamed rows."""
    return name if name.startswith(f"{STREAMED}/") else f"sources/{name}"
