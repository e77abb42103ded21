"""Uploads, what became of them, and data versions: frozen values without any heavy import."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from headwater.lake.errors import NotAnUpload

if TYPE_CHECKING:
    from headwater.model import FeatureView

LANDING = "landing"
STREAMED = "streamed"
"""Where streamed rows that were committed lie, a folder for each view."""
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
    def path(self) -> str:
        """Its path in the source's dataset: another file is never the same path."""
        return f"{self.file}.parquet"

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
    contract: str = ""
    """The rows' contract and a hash of the source's declaration."""
    code_version: str = ""
    """What ingested it: the hash of the functions' bundle, or the image's digest."""
    curated: Pointer | None = None
    quarantine: Pointer | None = None
    commit: str | None = None
    """The commit of the source's dataset that took it in; its rows count from then on."""
    superseded: bool = False
    """Whether a later upload of the file was committed before it, so that it never counted."""
    at: AwareDatetime

    @property
    def settled(self) -> bool:
        """Whether it is decided for good that, or that not, its rows were taken in."""
        return self.commit is not None or self.superseded


class Order(NamedTuple):
    """When a file landed; S3's own words, kept with the curated version that it became."""

    landed: datetime
    sequencer: str
    """Padded (`Upload.order`); empty if the version isn't ingestion's."""

    @classmethod
    def of(cls, metadata: Mapping[str, str], written: datetime) -> Self:
        """What a curated version's metadata say; of a version without any, when it was written."""
        landed = metadata.get("landed")
        return cls(datetime.fromisoformat(landed) if landed else written, metadata.get("sequencer", ""))

    @property
    def metadata(self) -> dict[str, str]:
        """As a curated version keeps it."""
        return {"landed": self.landed.isoformat(), "sequencer": self.sequencer}

    def precedes(self, other: Order) -> bool:
        """Whether, of two versions of one file, this is the earlier one.

        The sequencer decides: an upload in parts carries the time at which it was begun.
        """
        if self.sequencer and other.sequencer:
            return self.sequencer < other.sequencer
        return self.landed < other.landed


class PinnedCommit(Value):
    """What a source's branch pointed at."""

    commit: str
    revision: int = Field(ge=1)
    """How often the branch had moved: grows with each change, also with one that goes back to an older commit."""


class DataVersion(Value):
    """A commit of each of some sources, and of views' streamed rows: reading it gives the same rows for ever."""

    commits: Mapping[str, PinnedCommit] = Field(min_length=1)
    """By source; of a view's streamed rows, if there are any, by `streamed_of`."""

    @property
    def id(self) -> str:
        """The same for the same commits, whoever pinned them when."""
        return hashlib.sha256(json.dumps(sorted(self.ids.items())).encode()).hexdigest()

    @property
    def ids(self) -> dict[str, str]:
        """Each source's commit, and that of each view's streamed rows."""
        return {source: pinned.commit for source, pinned in self.commits.items()}

    def only(self, sources: Sequence[str]) -> DataVersion:
        """The part of it that is about ``sources``."""
        return DataVersion(commits={source: self.commits[source] for source in sorted(set(sources))})

    def of(self, view: FeatureView) -> DataVersion:
        """The part of it that a view's rows are made of: its sources, and its streamed rows if they are pinned."""
        streamed = streamed_of(view.name)
        return self.only([*view.sources, streamed] if streamed in self.commits else view.sources)

    @property
    def revision(self) -> int:
        """Grows as the data change: a later one of the same sources and views has a higher one."""
        return sum(pinned.revision for pinned in self.commits.values())


def streamed_of(view: str) -> str:
    """The dataset of a view's streamed rows; what it is called in a data version, too. No source's name has a slash."""
    return f"{STREAMED}/{view}"


def streamed_table(view: str) -> str:
    """What the table of a view's streamed rows is called (`headwater.lake.service.Lake.tables`)."""
    return f"__streamed_{view}"


def dataset_of(name: str) -> str:
    """The dataset that a data version's part is a commit of: a source's curated files, or a view's streamed rows."""
    return name if name.startswith(f"{STREAMED}/") else f"sources/{name}"
