"""Grants that several functions share: to read sources, commit datasets, compute features and ingest uploads."""

from __future__ import annotations

from headwater.infra.platform import keys
from headwater.infra.platform.grants import Grant, merge
from headwater.infra.platform.platform import Platform


def commit_datasets(platform: Platform, datasets: str) -> Grant:
    """To read datasets whose items begin with ``datasets``, and to move their branches and tags."""
    lake = platform.lake
    return merge(
        lake.read(keys.VERSIONS), lake.write(keys.VERSIONS), platform.registry.write(datasets, keys=[keys.DATASETS])
    )


def read_sources(platform: Platform) -> Grant:
    """To pin the commits of sources and streamed rows, and to read what they hold."""
    return merge(
        platform.lake.read(keys.CURATED, keys.STAGED, keys.STREAMED, keys.STAGED_ROWS, keys.VERSIONS),
        # Beside the commits, a source's first definition: files from before definitions were recorded count as its.
        platform.registry.read(keys.SOURCE_DATA, keys.STREAMED_DATA, keys.SOURCES),
    )


def compute_features(platform: Platform) -> Grant:
    """To read sources, and to keep the offline rows of feature views that are computed from them."""
    return merge(read_sources(platform), platform.lake.read(keys.FEATURES), platform.lake.write(keys.FEATURES))


def ingest_uploads(platform: Platform) -> Grant:
    """To ingest an upload: the same for the function and the container."""
    return merge(
        platform.lake.read(keys.LANDING, keys.CURATED, keys.STAGED, keys.QUARANTINE.prefix),
        platform.lake.write(keys.CURATED, keys.QUARANTINE.prefix),
        platform.registry.write(keys.SOURCES),
        commit_datasets(platform, keys.SOURCE_DATA),
    )
