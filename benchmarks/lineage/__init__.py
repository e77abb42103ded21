"""Lineage beside ML Metadata (MLMD)."""
