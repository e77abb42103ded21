"""Input and output of Spark jobs, for processes with and without Spark."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, unquote, urlsplit

from pydantic import Field

from headwater.lake.types import DataVersion, PinnedCommit
from headwater.model import Declaration, FeatureView
from headwater.values import Pointer

_VERSION = "versionId="


class Files(Declaration):
    """A source's curated rows."""

    paths: tuple[str, ...] = Field(min_length=1)
    """Parquet in the order in which it landed: files, or versions in S3 (`url_of`)."""
    keys: tuple[str, ...] = ()
    """Columns that name a row: of rows with the same keys in several files the one that landed last counts."""


class Job(Declaration):
    """Input of one run."""

    sources: Mapping[str, Files]
    streamed: Mapping[str, Files] = Field(default_factory=dict)
    """By view: its streamed rows, which count for the questions. They aren't among what is written to `offline`."""
    views: tuple[FeatureView, ...] = Field(min_length=1)
    """Views from the catalog, whose aggregations have the times of their sources."""
    offline: str
    """Folder, here or ``s3://bucket/prefix``, that gets a folder of Parquet for each view."""
    outcome: str | None = None
    """File, here or ``s3://bucket/key``, that gets the `Outcome`."""
    questions: str | None = None
    """Parquet with a column for each join key and ``asked_at``."""
    features: tuple[str, ...] = ()
    """``view.feature`` each, looked up for the questions."""
    frame: str | None = None
    """Folder that gets the questions with their features, in order."""


class Outcome(Declaration):
    """Outcome of a job."""

    parts: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """By view: its rows' Parquet, in order."""
    error: str = ""
    """Name of the exception that the job failed with; empty if it succeeded."""
    message: str = ""


class Order(Declaration):
    """Input of the machine that runs Spark: a view's definition and a data version."""

    view: str
    version: str
    """Version of the view's definition."""
    commits: Mapping[str, PinnedCommit]

    @classmethod
    def of(cls, view: FeatureView, version: DataVersion) -> Order:
        """The order of a view's rows for the parts of ``version`` that belong to the view's sources."""
        return cls(view=view.name, version=view.version, commits=version.only(view.sources).commits)

    @property
    def data(self) -> DataVersion:
        """The data to compute it from."""
        return DataVersion(commits=self.commits)


def url_of(pointer: Pointer) -> str:
    """A version of an object as text, such as ``s3://bucket/key?versionId=...``."""
    return f"s3://{pointer.bucket}/{quote(pointer.key)}?{_VERSION}{quote(pointer.version_id, safe='')}"


def pointer_of(path: str) -> Pointer | None:
    """The version that ``path`` names; None if ``path`` is a file of this machine."""
    if not path.startswith("s3://"):
        return None
    parts = urlsplit(path)
    version_id = unquote(parts.query.removeprefix(_VERSION))
    return Pointer(bucket=parts.netloc, key=unquote(parts.path.lstrip("/")), version_id=version_id)
