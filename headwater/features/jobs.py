"""What Spark is told to compute: values that are written where Spark isn't, and read where it is."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from headwater.model import Declaration, FeatureView


class Files(Declaration):
    """A source's curated rows."""

    paths: tuple[str, ...] = Field(min_length=1)
    """Parquet files in the order in which they landed."""
    keys: tuple[str, ...] = ()
    """Of rows in several files with the same keys the one that landed last counts."""


class Job(Declaration):
    """What one run computes."""

    sources: Mapping[str, Files]
    streamed: Mapping[str, Files] = Field(default_factory=dict)
    """By view: its streamed rows, which count for the questions. They aren't among what is written to `offline`."""
    views: tuple[FeatureView, ...] = Field(min_length=1)
    """From the catalog, so that their aggregations know their times."""
    offline: str
    """Folder that gets a folder of Parquet for each view."""
    questions: str | None = None
    """Parquet with a column for each join key and ``asked_at``."""
    features: tuple[str, ...] = ()
    """``view.feature`` each, looked up for the questions."""
    frame: str | None = None
    """Folder that gets the questions with their features, in order."""
