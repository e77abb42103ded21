"""What is used together: the things that reading sources, committing, computing features and ingesting take."""

from __future__ import annotations

from headwater.infra.platform.grants import Grant, merge
from headwater.infra.platform.keys import (
    CURATED,
    DATASETS,
    FEATURES,
    LANDING,
    QUARANTINE,
    SOURCE_DATA,
    SOURCES,
    STAGED,
    STAGED_ROWS,
    STREAMED,
    STREAMED_DATA,
    VERSIONS,
)
from headwater.infra.platform.platform import Platform


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
