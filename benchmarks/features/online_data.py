"""What both sides materialise and read: one row an entity, float32 values. Imports nothing, for both environments."""

from __future__ import annotations

from datetime import UTC, datetime

FEATURES, VIEWS = 10, 1
NOW = datetime(2026, 11, 1, tzinfo=UTC)


def entities_to_read(count: int) -> list[str]:
    """Entities that are in every file."""
    return [f"e{number * 7 % 1000:07d}" for number in range(count)]
