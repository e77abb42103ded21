"""The newest values of entities, for a request that is being answered: one round trip for all of its views.

Needs botocore and nothing heavier.

store = OnlineStore("headwater-dev-features")
lookups = plan(package.features, [{"origin": "JFK", "carrier": "B6", ...}, ...])     # a list for each instance
answers = read_online(store, [lookup for row in lookups for lookup in row], as_of=datetime.now(UTC))
answers[0].status, answers[0].values["mean_delay_6h"], answers[0].age_seconds
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from urllib.parse import quote

from headwater.features.inputs import entity_text

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST_KEY = 2048
"""DynamoDB's limit for a partition key, in bytes."""


class LookedUp(Protocol):
    """A feature as a package names it (`headwater.registry.types.PackageFeature`)."""

    @property
    def view(self) -> str: ...
    @property
    def feature(self) -> str: ...
    @property
    def entity(self) -> tuple[str, ...]: ...
    @property
    def ttl_seconds(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Lookup:
    """Features of one entity in one view."""

    view: str
    key: tuple[str | None, ...]
    """The entity's values as text (`entity_text`), in the view's order; None for one that the request lacks."""
    features: tuple[str, ...]
    ttl_seconds: float


@dataclass(frozen=True, slots=True)
class OnlineItem:
    """What the online store holds of an entity; times in microseconds since 1970."""

    event_time: int
    available_time: int
    values: Mapping[str, float | None]


class ReadsItems(Protocol):
    """The reading half of `headwater.features.store.OnlineStore`."""

    def read(self, keys: Sequence[str]) -> Mapping[str, OnlineItem]:
        """The items that exist among ``keys``."""
        ...


class ValueStatus(StrEnum):
    """Why an online value can be used, or can't."""

    FOUND = "FOUND"
    MISSING = "MISSING"
    """The store has no item for the entity, or the request doesn't say which entity."""
    EXPIRED = "EXPIRED"
    """Its event time is longer ago than the view's TTL."""
    FUTURE = "FUTURE"
    """It became available only after `as_of`; the store keeps the newest value alone, so none is known."""


@dataclass(frozen=True, slots=True)
class OnlineAnswer:
    """The answer to one `Lookup`."""

    lookup: Lookup
    status: ValueStatus
    values: Mapping[str, float | None] = field(default_factory=dict)
    """Each feature that was asked for; None unless found (a found item may hold None as well)."""
    event_time: datetime | None = None
    """Of the item, also of one that is expired or from the future."""
    age_seconds: float | None = None
    """From the event time to `as_of`."""


def plan(features: Sequence[LookedUp], instances: Sequence[Mapping[str, Any]]) -> list[list[Lookup]]:
    """What to look up for each instance: one `Lookup` a view, in the order of the views' first feature."""
    views: dict[str, tuple[tuple[str, ...], float, list[str]]] = {}
    for entry in features:
        views.setdefault(entry.view, (entry.entity, entry.ttl_seconds, []))[2].append(entry.feature)
    return [
        [
            Lookup(view, tuple(entity_text(instance.get(name)) for name in entity), tuple(names), ttl)
            for view, (entity, ttl, names) in views.items()
        ]
        for instance in instances
    ]


def read_online(store: ReadsItems, lookups: Sequence[Lookup], as_of: datetime) -> list[OnlineAnswer]:
    """Answer every look-up, in order.

    All keys go out together: one BatchGetItem for each hundred different ones.

    Parameters
    ----------
    store : OnlineStore
    lookups : sequence of Lookup
        Repeats are read once.
    as_of : datetime
        The request's time, with a time zone. A value counts if it was available by then and its event time is no
        more than the TTL before.

    Raises
    ------
    OnlineStoreBusy
        Keys stayed unprocessed after all retries.
    """
    if as_of.tzinfo is None:
        raise ValueError(f"as_of {as_of} has no time zone")
    keys = [online_key(lookup.view, lookup.key) for lookup in lookups]
    items = store.read([key for key in dict.fromkeys(keys) if key is not None])
    now = microseconds(as_of)
    return [
        _answer(lookup, items.get(key) if key else None, now) for lookup, key in zip(lookups, keys, strict=True)
    ]  # fmt: skip


def _answer(lookup: Lookup, item: OnlineItem | None, now: int) -> OnlineAnswer:
    nothing: dict[str, float | None] = dict.fromkeys(lookup.features)
    if item is None:
        return OnlineAnswer(lookup, ValueStatus.MISSING, nothing)
    age = (now - item.event_time) / 1e6
    event_time = EPOCH + timedelta(microseconds=item.event_time)
    # The same rule as the point-in-time join (`headwater.features.history`).
    if item.available_time > now or item.event_time > now:
        return OnlineAnswer(lookup, ValueStatus.FUTURE, nothing, event_time, age)
    if now - item.event_time > round(lookup.ttl_seconds * 1e6):
        return OnlineAnswer(lookup, ValueStatus.EXPIRED, nothing, event_time, age)
    values = {name: item.values.get(name) for name in lookup.features}
    return OnlineAnswer(lookup, ValueStatus.FOUND, values, event_time, age)


def online_key(view: str, key: Sequence[str | None]) -> str | None:
    """An entity's partition key; None if a part is missing or no item could be that long."""
    if any(part is None for part in key):
        return None
    encoded = "|".join([view, *(quote(str(part), safe="", errors="replace") for part in key)])
    return encoded if len(encoded) <= LONGEST_KEY else None


def microseconds(moment: datetime) -> int:
    """``moment`` (with a time zone) as microseconds since 1970, exactly."""
    return (moment - EPOCH) // timedelta(microseconds=1)
