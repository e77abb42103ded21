"""Signs that a day's labels may have changed since they were counted: a few small reads instead of all rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from headwater.lake.types import dataset_of
from headwater.monitoring.labels.store import LabelStore
from headwater.storage.table import Table
from headwater.versions.refs import Refs
from headwater.versions.types import MAIN

COUNTING = "1"
"""Raised when the same rows and labels are counted otherwise than before."""


@dataclass(frozen=True)
class LabelSigns:
    """Reads what labels of a model were written last, and which commits of sources stand."""

    labels: LabelStore
    registry: Table
    """The registry table."""

    def of(self, model: str, sources: Iterable[str], now: datetime) -> tuple[str, ...]:
        """The newest batch of written labels, and the newest move of each source's data.

        What came after ``now`` isn't counted yet: its sign changes once it is.
        """
        batch = self.labels.newest(model)
        found = [f"{batch.name}{_later(batch.received_at, now)}" if batch else "no batch"]
        for source in sources:
            move = Refs(self.registry, dataset_of(source)).newest("branch", MAIN)
            found.append(f"{source} {move.sequence}{_later(move.at, now)}" if move else f"{source} none")
        return tuple(found)


def sign(*parts: str) -> str:
    """One short text for all that counts follow from."""
    return hashlib.sha256("\n".join((COUNTING, *parts)).encode()).hexdigest()[:24]


def _later(at: datetime, now: datetime) -> str:
    return " later" if at > now else ""
