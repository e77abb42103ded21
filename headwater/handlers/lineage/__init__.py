"""Functions of lineage."""
