"""The lake: files land, are checked, become curated Parquet, and are read pinned to their version."""
