"""The catalog of feature views for people: list, search, lineage, differences and freshness."""
