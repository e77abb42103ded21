"""Lineage's own facts: the notes that people put on nodes."""

from __future__ import annotations

from collections.abc import Iterator

from headwater.graph import Contribution, Log, Places
from headwater.lineage.annotations import Annotations
from headwater.storage.table import Table


def _logs(places: Places) -> Iterator[Log]:
    yield Annotations(Table(places.registry_table))


FACTS = Contribution(kinds=[], logs=_logs)
