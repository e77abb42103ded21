"""Lineage's own facts: what other tools told, and the notes that people put on nodes."""

from __future__ import annotations

from collections.abc import Iterator

from headwater.graph import Contribution, Log, NodeKind, Places, Told
from headwater.lineage import foreign
from headwater.lineage.annotations import Annotations


def _logs(places: Places) -> Iterator[Log[Told]]:
    yield from foreign.logs(places)
    yield Annotations(places.table)


FACTS = Contribution(
    kinds=[
        NodeKind(
            "foreign",
            "foreign:<namespace>:<dataset or job>@<version or run>",
            "a dataset or a run that another tool told of by OpenLineage",
        ),
    ],
    logs=_logs,
)
