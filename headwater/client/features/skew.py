"""Compares logged predictions of a day with the values that training would have seen."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from headwater.client.connection import Connection
from headwater.client.errors import needed
from headwater.serving.errors import NothingLogged

if TYPE_CHECKING:
    from headwater.monitoring.skew import Skew


def measure_skew(connection: Connection, model: str, day: date | None, limit: int) -> Skew:
    """The share of changed values; see `headwater.client.features.service.Features.skew`."""
    with needed("features are computed by DuckDB and pandas"):
        from headwater.monitoring.skew import SkewMeasure
    from headwater.serving.store import PredictionStore

    connection.registry.versions(model)
    stack = connection.description
    log = PredictionStore(stack.predictions_bucket, connection.clients)
    days = log.days(model)
    if not days or (day is not None and day not in days):
        there = f"there are some of {days[0]} to {days[-1]}" if days else "there are none at all"
        raise NothingLogged(f"no predictions of model {model!r} were logged{f' on {day}' if day else ''}: {there}")
    day = day or days[-1]
    measure = SkewMeasure(connection.table, connection.artifacts, stack.lake_bucket, connection.clients)
    return measure.measure(model, day, log.records(model, day, limit=limit))
