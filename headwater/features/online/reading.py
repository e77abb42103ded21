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
from urllib.parse import quote, unquote

from headwater.features.inputs import entity_text
from headwater.features.online.encoding import Known, times_of, values_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST_KEY = 2048
"""DynamoDB's limit for a partition key, in bytes."""


class LookedUp(Protocol):
    """A feature as a package names it (`headwater.registry.types.PackageFeature`)."""

    @property
    def view(self) -> str: ...
    @property
    def version(self) -> str | None: ...
    @property
    def feature(self) -> str: ...
    @property
    def position(self) -> int | None: ...
    @property
    def entity(self) -> tuple[str, ...]: ...
    @property
    def ttl_seconds(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Lookup:
    """Features of one entity in one version of a view."""

    view: str
    version: str
    """Version of the view's definition. A model reads the version that it was trained with."""
    entity: tuple[str, ...]
    """The join keys' names, in the view's order."""
    key: tuple[str | None, ...]
    """Their values as text (`entity_text`); None for one that the request lacks."""
    features: tuple[str, ...]
    positions: tuple[int, ...]
    """Positions of the features among all that the view declares."""
    ttl_seconds: float


class ReadsItems(Protocol):
    """The reading half of `headwater.features.online.store.OnlineStore`."""

    def read(self, keys: Sequence[str], attributes: Sequence[str]) -> Mapping[str, Mapping[str, bytes]]:
        """For each existing item among ``keys``, the values of those ``attributes`` that the item has."""
        ...


class ValueStatus(StrEnum):
    """Why an online value can be used, or can't."""

    FOUND = "FOUND"
    MISSING = "MISSING"
    """The store has no value of this version of the view for the entity, or the request doesn't say which entity."""
    EXPIRED = "EXPIRED"
    """Its event time is longer ago than the view's TTL."""
    FUTURE = "FUTURE"
    """The value became available only at `as_of` or later, or its event is later. The store keeps the newest value
    alone, so no earlier value is known."""


@dataclass(frozen=True, slots=True)
class OnlineAnswer:
    """The answer to one `Lookup`."""

    lookup: Lookup
    status: ValueStatus
    values: Mapping[str, Known] = field(default_factory=dict)
    """The value of each requested feature; None unless found. A found item may hold None as well."""
    event_microseconds: int | None = None
    """The event time of the value, also of one that is expired or from the future; since 1970."""
    age_seconds: float | None = None
    """From the event time to `as_of`: the age of each of the features."""

    @property
    def event_time(self) -> datetime | None:
        """The event time of the value, also of one that is expired or from the future."""
        return None if self.event_microseconds is None else EPOCH + timedelta(microseconds=self.event_microseconds)


def plan(features: Sequence[LookedUp], instances: Sequence[Mapping[str, Any]]) -> list[list[Lookup]]:
    """The look-ups of each instance: one `Lookup` a view, in the order of the views' first feature.

    Raises
    ------
    ValueError
        A feature lacks the version of its view, or its position in the view.
    """
    views: dict[tuple[str, str], tuple[LookedUp, list[str], list[int]]] = {}
    for entry in features:
        if entry.version is None or entry.position is None:
            raise ValueError(f"feature {entry.view}.{entry.feature} names no version of its view: train the model anew")
        _, names, positions = views.setdefault((entry.view, entry.version), (entry, [], []))
        names.append(entry.feature)
        positions.append(entry.position)
    planned = [
        (view, version, entry.entity, tuple(names), tuple(positions), entry.ttl_seconds)
        for (view, version), (entry, names, positions) in views.items()
    ]
    return [
        [
            Lookup(
                view, version, entity, tuple([entity_text(instance.get(name)) for name in entity]), names, places, ttl
            )
            for view, version, entity, names, places, ttl in planned
        ]
        for instance in instances
    ]


def read_online(store: ReadsItems, lookups: Sequence[Lookup], as_of: datetime) -> list[OnlineAnswer]:
    """Answer every look-up, in order.

    All keys go out together: views with the same join keys share an item, so an entity is read once for all of them,
    and one BatchGetItem is enough for a hundred entities.

    Parameters
    ----------
    store : OnlineStore
    lookups : sequence of Lookup
        Repeats are read once.
    as_of : datetime
        The request's time, with a time zone. A value counts if it was available before then and its event time is no
        later, and no more than the TTL earlier.

    Raises
    ------
    OnlineStoreBusy
        Keys stayed unprocessed after all retries.
    """
    if as_of.tzinfo is None:
        raise ValueError(f"as_of {as_of} has no time zone")
    keys = [online_key(lookup.entity, lookup.key) for lookup in lookups]
    attributes = list(dict.fromkeys([attribute_of(lookup.version) for lookup in lookups]))
    items = store.read([key for key in dict.fromkeys(keys) if key is not None], attributes)
    now = microseconds(as_of)
    return [
        _answer(lookup, items.get(key) if key else None, now) for lookup, key in zip(lookups, keys, strict=True)
    ]  # fmt: skip


def _answer(lookup: Lookup, item: Mapping[str, bytes] | None, now: int) -> OnlineAnswer:
    value = item.get(attribute_of(lookup.version)) if item else None
    if value is None:
        return OnlineAnswer(lookup, ValueStatus.MISSING, dict.fromkeys(lookup.features))
    event, available, _ = times_of(value)
    age = now - event
    # The same rule as the point-in-time join (`headwater.features.offline.point_in_time`).
    if available < now and 0 <= age <= round(lookup.ttl_seconds * 1e6):
        values = dict(zip(lookup.features, values_of(value, lookup.positions), strict=True))
        return OnlineAnswer(lookup, ValueStatus.FOUND, values, event, age / 1e6)
    status = ValueStatus.FUTURE if available >= now or age < 0 else ValueStatus.EXPIRED
    return OnlineAnswer(lookup, status, dict.fromkeys(lookup.features), event, age / 1e6)


def attribute_of(version: str) -> str:
    """The attribute that holds a view version's value: no word that DynamoDB reserves, no digit first."""
    return f"v{version}"


def online_key(entity: Sequence[str], key: Sequence[str | None]) -> str | None:
    """The partition key of an entity: ``origin,carrier|JFK|B6``.

    Views with the same join keys in the same order share it. Another entity has another one: values are
    percent-encoded, and names have neither a comma nor a bar.

    Returns
    -------
    str or None
        None if a part is missing or no item could be that long.
    """
    parts = [",".join(entity)]
    for part in key:
        if part is None:
            return None
        # Most keys need no encoding. Half of a surrogate pair, which is no text, stays as it is.
        parts.append(part if part.isalnum() and part.isascii() else quote(part, safe="", errors="surrogatepass"))
    encoded = "|".join(parts)
    return encoded if len(encoded) <= LONGEST_KEY else None


def entity_of(key: str) -> tuple[str, ...]:
    """The values that a partition key was made of."""
    return tuple(unquote(part, errors="surrogatepass") for part in key.split("|")[1:])


def microseconds(moment: datetime) -> int:
    """``moment`` (with a time zone) as microseconds since 1970, exactly."""
    return (moment - EPOCH) // timedelta(microseconds=1)
