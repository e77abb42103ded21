"""The lake's keys, and who may read what they lead to."""

from __future__ import annotations

from headwater.infra.buckets import Expiry, PrivateBucket
from headwater.infra.grants import Grant, together
from headwater.infra.tables import DATASETS, SOURCE_DATA, SOURCES, STREAMED_DATA, Table

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


def grant_commit(lake: PrivateBucket, registry: Table, datasets: str) -> Grant:
    """To read datasets whose items begin with ``datasets``, and to move their branches and tags."""
    return together(
        lake.grant_read(VERSIONS), lake.grant_write(VERSIONS), registry.grant_read_write(datasets, keys=[DATASETS])
    )


def grant_read_sources(lake: PrivateBucket, registry: Table) -> Grant:
    """To pin the commits of sources and streamed rows, and to read what they hold."""
    return together(
        lake.grant_read(CURATED, STAGED, STREAMED, STAGED_ROWS, VERSIONS),
        # Beside the commits, a source's first definition: files from before definitions were recorded count as its.
        registry.grant_read(SOURCE_DATA, STREAMED_DATA, SOURCES),
    )


def grant_ingest(lake: PrivateBucket, registry: Table) -> Grant:
    """To ingest an upload: the same for the function and the container."""
    return together(
        lake.grant_read(LANDING, CURATED, STAGED, QUARANTINE.prefix),
        lake.grant_write(CURATED, QUARANTINE.prefix),
        registry.grant_read_write(SOURCES),
        grant_commit(lake, registry, SOURCE_DATA),
    )
