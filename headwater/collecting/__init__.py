"""Collecting: rows are fetched from where they are, and land as an upload does, none lost and none twice."""
