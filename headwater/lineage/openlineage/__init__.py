"""OpenLineage (specification 2-0-2) both ways: Headwater's facts as events, and other tools' events as lineage."""
