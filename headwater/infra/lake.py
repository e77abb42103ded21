"""The lake's keys, and who may read what they lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headwater.infra.buckets import Expiry
from headwater.infra.grants import Grant, merge
from headwater.infra.tables import DATASETS, SOURCE_DATA, SOURCES, STREAMED_DATA

if TYPE_CHECKING:
    from headwater.infra.platform import Platform

LANDING = "landing/"
QUARANTINE = Expiry(prefix="quarantine/", days=180)
"""Rejected rows are kept for people to look at; no commit ever pins them."""
CURATED, FEATURES, VERSIONS = "curated/", "features/", "versions/"
SHARDS = Expiry(prefix=f"{FEATURES}online-shards/", days=14)
"""Rows on their way online (`headwater.features.online.sharding.PREFIX`); a failed run can be redriven for as long."""
SCRATCH = Expiry(prefix="spark/", days=7)
"""What a run of Spark passes on: its job, parts and outcome. The rows are kept elsewhere."""
ARRIVED, STREAMED = "arrived/", "streamed/"
"""Streamed rows that wait for their commit, and those that were committed."""
STAGED, STAGED_ROWS = "data/sources/", "data/streamed/"
"""Files that somebody uploaded to a branch of a source's dataset, or of a view's streamed rows."""


def commit_datasets(platform: Platform, datasets: str) -> Grant:
    """To read datasets whose items begin with ``datasets``, and to move their branches and tags."""
    lake = platform.lake
    return merge(lake.read(VERSIONS), lake.write(VERSIONS), platform.registry.write(datasets, keys=[DATASETS]))


def read_sources(platform: Platform) -> Grant:
    """To pin the commits of sources and streamed rows, and to read what they hold."""
    return merge(
        platform.lake.read(CURATED, STAGED, STREAMED, STAGED_ROWS, VERSIONS),
        # Beside the commits, a source's first definition: files from before definitions were recorded count as its.
        platform.registry.read(SOURCE_DATA, STREAMED_DATA, SOURCES),
    )


def compute_features(platform: Platform) -> Grant:
    """To read sources, and to keep the offline rows of feature views that are computed from them."""
    return merge(read_sources(platform), platform.lake.read(FEATURES), platform.lake.write(FEATURES))


def ingest_uploads(platform: Platform) -> Grant:
    """To ingest an upload: the same for the function and the container."""
    return merge(
        platform.lake.read(LANDING, CURATED, STAGED, QUARANTINE.prefix),
        platform.lake.write(CURATED, QUARANTINE.prefix),
        platform.registry.write(SOURCES),
        commit_datasets(platform, SOURCE_DATA),
    )
