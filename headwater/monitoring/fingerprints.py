"""Fingerprints of what an answer about a model follows from: revisions, names and ETags are read for them, no rows.

Equal fingerprints are equal answers. A fingerprint is read before its answer is computed: what changes meanwhile gives
the next one another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from headwater.graph import Places
from headwater.monitoring.days.keeping import FIRST, LAST
from headwater.monitoring.days.store import DayStore
from headwater.monitoring.labels.definitions import Definitions
from headwater.monitoring.labels.store import LabelStore
from headwater.monitoring.log.reading import Reader
from headwater.monitoring.log.store import CompactionStore
from headwater.monitoring.stack import watching
from headwater.monitoring.watch.signs import LabelSigns
from headwater.monitoring.watch.store import WatchStore
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore
from headwater.storage.table import Table
from headwater.version import __version__

_LETTERS = 24


def fingerprint(
    places: Places,
    question: str,
    model: str,
    query: Mapping[str, str],
    known: datetime | None,
    now: datetime,
) -> str:
    """A short text that two answers share only if they are the same.

    Parameters
    ----------
    places, question, model, query
        As of `headwater.monitoring.asking.ask`.
    known : datetime, optional
        The moment of ``as_of``.
    now : datetime
        The time, UTC. Its day counts: a day that isn't over is answered otherwise. Labels that the lake
        holds back until a moment are none of this (`headwater.monitoring.labels.service.Labels.changes`).

    Raises
    ------
    ModelNotRegistered, AliasNotFound, NoDefinition
    """
    table = places.table
    registry = Registry(table)
    parts = [__version__, question, model, *(f"{name}={query[name]}" for name in sorted(query))]
    # Versions never change, but one may come; aliases move.
    parts += [f"{entry.version} {entry.status}" for entry in registry.versions(model)]
    parts += [f"{move.alias} {move.sequence} {move.at}" for move in registry.moves(model)]
    watched = WatchStore(places.predictions_bucket, table, places.clients)
    if question == "status" and known is None:
        status = watched.status(model)
        return _digest([*parts, status.model_dump_json() if status else "never looked at"])
    parts.append(now.astimezone(UTC).date().isoformat())
    parts += watched.revisions(model)
    parts += _predictions(places, table, model)
    if question == "performance":
        parts += _labels(places, table, registry, model, known, now)
    return _digest(parts)


def _predictions(places: Places, table: Table, model: str) -> Iterator[str]:
    """Which parts count, which of them are counted, and the records that aren't in parts yet."""
    log = CompactionStore(places.predictions_bucket, table, places.clients)
    yield from (f"{hour.hour} {hour.revision}" for hour in log.compacted(model, FIRST, LAST))
    counted = DayStore(places.predictions_bucket, table, places.clients).counted(model, FIRST, LAST)
    yield from (f"{hour} counted {revision}" for hour, revision in counted.items())
    # A part that somebody deleted counts until its hour is compacted again, and is read from the records.
    yield from (f"{one.key} {one.etag}" for one in log.stored_parts(model))
    open_hours = Reader(log).unsettled(model)
    for day in sorted({hour.date() for hour in open_hours}):
        yield from (f"{one.key} {one.etag}" for one in log.of_day(model, day))
    for hour in open_hours:
        yield from (f"{one.key} {one.etag}" for one in log.of_hour(model, hour))


def _labels(
    places: Places,
    table: Table,
    registry: Registry,
    model: str,
    known: datetime | None,
    now: datetime,
) -> Iterator[str]:
    """Batches of written labels that are there, and which commits of the sources stand."""
    labels = LabelStore(places.predictions_bucket, table, places.clients)
    yield from (f"{key} {etag}" for key, etag in labels.stored(model))
    answers = watching(places, known).version(model, None)
    product = Definitions(registry, ArtifactStore(places.artifacts_bucket, places.clients)).product(model, answers)
    yield from LabelSigns(labels, table).of(model, sorted(product.models[0].examples.sources), known or now)


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:_LETTERS]
