"""Lineage's own facts: what other tools told."""

from __future__ import annotations

from headwater.graph import Contribution, NodeKind
from headwater.lineage import foreign

FACTS = Contribution(
    kinds=[
        NodeKind(
            "foreign",
            "foreign:<namespace>:<dataset or job>@<version or run>",
            "a dataset or a run that another tool told of by OpenLineage",
        ),
    ],
    logs=foreign.logs,
)
