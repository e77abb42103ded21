"""Statuses as the hourly look writes them, and a registry that holds some."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

from headwater.monitoring.drift.channels import Channel
from headwater.monitoring.drift.standing import State
from headwater.monitoring.drift.verdicts import Finding
from headwater.monitoring.status import PerformanceFigure, Severity, Status
from headwater.storage.table import Table

LOOKED = datetime(2026, 7, 5, 6, 7, tzinfo=UTC)
DAY = date(2026, 7, 4)


def finding(feature: str = "late6", channel: Channel = Channel.FROZEN, score: float = 6.1) -> Finding:
    return Finding(feature=feature, channel=channel, value=1.0, usual=(0.04, 0.09), score=score)


def figure(**more: Any) -> PerformanceFigure:
    given: dict[str, Any] = {
        "metric": "roc_auc", "value": 0.735, "low": 0.72, "high": 0.75, "baseline": 0.77, "limit": 0.76,
        "is_worse": True, "since": DAY, "until": DAY, "rows": 792, "coverage": 0.83,
    }  # fmt: skip
    return PerformanceFigure(**given | more)


def status(model: str = "flights", **more: Any) -> Status:
    """A model in alarm, of which everything is known."""
    given: dict[str, Any] = {
        "model": model, "version": 12, "at": LOOKED, "state": State.ALARM, "since": date(2026, 7, 3),
        "severity": Severity.PAGE, "reason": "p 0.007, limit 0.033", "day": DAY, "rows": 954, "score": 6.1, "p": 0.007,
        "findings": (finding(), finding("carrier", Channel.UNSEEN, 4.25)), "realised": figure(),
        "estimated": figure(value=0.741, low=0.72, high=0.76, coverage=1.0, rows=954),
    }  # fmt: skip
    return Status(**given | more)


def unknown(model: str = "young", at: datetime = LOOKED) -> Status:
    """A model of which nothing is known yet."""
    return Status(model=model, version=1, at=at, state=State.COLLECTING)


def keep(table: Table, statuses: Iterable[Status]) -> None:
    """Register the models, and write down how they are."""
    for one in statuses:
        table.write(table.put({"pk": "MODEL#", "sk": f"NAME#{one.model}"}))
        table.write(table.put({"pk": f"WATCH#{one.model}", "sk": "STATUS", "status": one.model_dump_json()}))
