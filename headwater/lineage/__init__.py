"""Lineage: what was made from what, at any time, from the facts that every capability keeps."""
