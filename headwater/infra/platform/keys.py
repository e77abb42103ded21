"""The prefixes of keys in buckets and tables, by which permissions are given (docs/architecture.md lists all keys)."""

from __future__ import annotations

from headwater.infra.platform.buckets import Expiry

# The lake.
LANDING = "landing/"
QUARANTINE = Expiry(prefix="quarantine/", days=180)
"""Rejected rows are kept for people to look at; no commit ever pins them."""
CURATED, FEATURES, VERSIONS = "curated/", "features/", "versions/"
SHARDS = Expiry(prefix=f"{FEATURES}online-shards/", days=14)
"""Rows on their way online (`headwater.features.online.sharding.PREFIX`); a failed run can be redriven for as long."""
SCRATCH = Expiry(prefix="spark/", days=7)
"""Intermediates of a run of Spark: its job, parts and outcome. The rows are kept elsewhere."""
ARRIVED, STREAMED = "arrived/", "streamed/"
"""Streamed rows that wait for their commit, and those that were committed."""
COLLECTED = "collected/"
"""Files of collectors on their way to landing, and what collectors remember."""
STAGED, STAGED_ROWS = "data/sources/", "data/streamed/"
"""Files that somebody uploaded to a branch of a source's dataset, or of a view's streamed rows."""

# The artifacts bucket.
RUNS = "runs/"
"""Files that each training leaves in the artifacts bucket."""

# The predictions bucket, beside the models' folders.
COMPACTED_PREDICTIONS, TORN_PREDICTIONS = "compact/", "quarantine/"
"""Parts of the prediction log, and its records that can't be read."""
PREDICTION_PROFILES = "profiles/"
"""Counts of predictions by day, and windows that were judged."""
WRITTEN_LABELS = "labels/"
"""Batches of labels that somebody wrote."""

EVENTS, RECEIVED = "lineage/events/", "lineage/in/"
"""OpenLineage events of the stack's own facts, and those of other tools."""

# The registry, one prefix a capability.
SOURCES = "SOURCE#"
MODELS = "MODEL#"
"""Each model's items (``MODEL#<model>``) and the list of their names (``MODEL#``)."""
VIEWS = "VIEW#"
"""Each feature view's definitions and materialisations (``VIEW#<view>``) and the list of the views (``VIEW#``)."""
ALARMS = "ALARM#"
DATASETS = "DATA#"
"""The list of datasets' names; ``DATA#<dataset>`` are a dataset's branches, tags, hooks and their log."""
SOURCE_DATA, MODEL_DATA, STREAMED_DATA = "DATA#sources/", "DATA#models/", "DATA#streamed/"
LINEAGE = "LINEAGE#"
"""The index of what was made from what: derived, so it may be deleted."""
ANNOTATIONS = "ANNOTATION#"
"""Notes and owners that people put on nodes of lineage."""
FOREIGN = "FOREIGN#"
"""OpenLineage events that were taken in, in the order of their receipt."""
LABELS = "LABEL#"
"""Which batches of labels a model has, in the order of their receipt."""
COMPACTIONS = "COMPACT#"
"""Which parts of the prediction log count, and how far it is compacted; an item list for each model."""
SCRAPE_TOKENS = "SCRAPE#"
"""Hashes of the tokens that Prometheus shows."""
FEEDBACK = "FEEDBACK#"
"""Feedback of end users on predictions: never overwritten."""
WATCHED = "WATCH#"
"""Hours of predictions that were counted, verdicts on days, and how each model is."""
HISTORY = "LEDGER#"
SCHEDULES = "SCHEDULE#"
"""Each schedule's ledger: its state, its ticks and the definitions that took effect."""
COLLECTORS = "COLLECTOR#"
"""Each collector's cursor, batches and runs."""
RETRAININGS = "RETRAIN#"
"""Each model's retraining policy: its state, its log, and the keys of data that were trained on."""
