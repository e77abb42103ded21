"""Feature views: what is known of an entity, declared in one of three ways: SQL, aggregations over time, or Python."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from headwater.declare.base import Declaration, InvalidProduct, Name, refuse_repeats
from headwater.declare.references import Reference, source_of
from headwater.declare.schedules import Schedule
from headwater.declare.times import Duration, OptionalDuration
from headwater.declare.windows import Aggregations, Window

LONGEST_TEXT = 1024
"""Characters of a category at most, be it a request input or a feature."""


class Feature(Declaration):
    """One value of a feature view: a number (booleans and counts are numbers too), or text.

    A number is kept in float32's precision, which is what a model sees of it; what that can't hold is missing. Text is
    a ``category`` and reaches the model as a request input of that kind does: empty means missing, and what training
    didn't see is let through.
    """

    name: Name
    """The feature's name: a column of the view's rows, and ``view.name`` elsewhere."""
    description: str = ""
    """One line for people."""
    kind: Literal["number", "integer", "boolean", "category"] = "number"
    """``integer``: whole, and small enough (2^24) to be exact; ``boolean``: 0 or 1; ``category``: text. Checked when it
    is computed, before anything is rounded."""
    aggregate: Window | None = None
    """The feature's window, in a view that declares `aggregate`."""
    minimum: float | None = None
    """Smallest value that a number may have."""
    maximum: float | None = None
    """Largest value that a number may have."""
    max_missing: Annotated[float, Field(ge=0, le=1)] | None = None
    """Largest share of the view's rows in which it may be missing."""
    values: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """All values that a category may have, besides missing."""
    max_length: Annotated[int, Field(ge=1, le=LONGEST_TEXT)] | None = None
    """Most characters of a category, by default `LONGEST_TEXT`. An online item must have room for texts of this
    length."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"feature {self.name!r}: minimum {self.minimum:g} is above maximum {self.maximum:g}")
        given = [name for name in _SAID_OF_TEXT + _SAID_OF_NUMBERS if getattr(self, name) is not None]
        if wrong := [name for name in given if (name in _SAID_OF_TEXT) is not self.is_text]:
            raise ValueError(f"feature {self.name!r} is a {self.kind}: {', '.join(wrong)} can't be said of it")
        if self.is_text and self.aggregate and self.aggregate.function != "last":
            raise ValueError(
                f"feature {self.name!r} is a category: {self.aggregate.function} is a number; of text only last is text"
            )
        refuse_repeats(f"feature {self.name!r}: its values", self.values or ())
        for value in self.values or ():
            # What no SQL, UTF-8 or value could be.
            if not 0 < len(value) <= self.longest or "\0" in value or any("\ud800" <= one <= "\udfff" for one in value):
                raise ValueError(
                    f"feature {self.name!r}: value {ascii(value)[:80]} is no text of 1 to {self.longest:,} characters"
                )
        return self

    @property
    def is_text(self) -> bool:
        """Whether its values are text; all others are numbers."""
        return self.kind == "category"

    @property
    def longest(self) -> int:
        """Characters that a category may have."""
        return self.max_length or LONGEST_TEXT

    @property
    def largest_text(self) -> int:
        """Bytes of UTF-8 that a category takes at most."""
        if self.values is not None:
            return max(len(value.encode()) for value in self.values)
        return 4 * self.longest


_SAID_OF_TEXT, _SAID_OF_NUMBERS = ("values", "max_length"), ("minimum", "maximum")
RESERVED = frozenset({"event_time", "available_time", "asked_at", "rowid"})
"""Columns that tables of features have besides keys and features."""
_SAID_OF_A_VIEW = {"description", "owner", "freshness", "schedule", "engine", "transform", "aggregate"}
"""Fields that a view's values don't depend on, and fields that `FeatureView.version` handles by itself."""


LARGEST_ITEM = 400 * 1024
"""DynamoDB's limit for an item, names and values of all its attributes, in bytes."""
_KEY_AND_EXPIRY = len("pk") + 2048 + len("expires") + 21
"""Bytes of an online item's key, the longest one, and of its ``expires``."""
_ATTRIBUTE = len("v0123456789ab") + 21
"""Bytes of a view version's attribute before its values: its name, and the head of `features.online.encoding`."""
_VALUE = 4


class FeatureView(Declaration):
    """Features of an entity over time: one row for each entity and each moment at which its values change.

    Exactly one of `sql`, `aggregate` and `transform` defines the rows.
    """

    name: Name
    """The view's name, unique in the project."""
    description: str = ""
    """One line for people."""
    owner: str = ""
    """Owner of the view: a person, a team or an address."""
    entity: tuple[Name, ...] = Field(min_length=1)
    """Join keys; the rows have a column for each and a model's request inputs carry them."""
    sources: tuple[Name, ...] = Field(min_length=1)
    """The sources whose curated rows the view is computed from."""
    sql: str | None = None
    """Over the sources' curated rows (a table each), yields the entity's columns, ``event_time``, ``available_time``
    (timestamps, UTC) and one column a feature. Questions after ``available_time`` know a row, not those of that very
    moment. DuckDB's dialect; Spark runs what sqlglot makes of it."""
    aggregate: Aggregations | None = None
    """Each feature is a `Window` over the rows of the one source."""
    transform: Reference | None = None
    """``rows(tables)`` takes a DuckDB relation for each source by name and returns a relation, a pandas frame or an
    Arrow table with the columns that `sql` would yield. Nothing is copied out of DuckDB that it doesn't ask for."""
    features: tuple[Feature, ...] = Field(min_length=1)
    """The values that each row carries."""
    ttl: Duration
    """A value older than this, counted from its event time, is missing."""
    freshness: OptionalDuration = None  # type: ignore[assignment]
    """The age of the view's newest event from which the view counts as stale."""
    schedule: Schedule | None = None
    """When it is materialised besides after each ingestion."""
    engine: Literal["duckdb", "spark"] | None = None
    """The engine that computes the view: DuckDB in a function or a container, or Spark if the view outgrows one
    machine. By default the size of the sources decides (`headwater.features.offline.engine.engine_for`)."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        where = f"feature view {self.name!r}"
        if taken := sorted(RESERVED & {*self.entity, *(feature.name for feature in self.features)}):
            raise ValueError(f"{where}: {', '.join(map(repr, taken))} has a meaning already; choose another name")
        refuse_repeats(where, [*self.entity, *(feature.name for feature in self.features)])
        ways = {"sql": self.sql, "aggregate": self.aggregate, "transform": self.transform}
        given = [way for way, value in ways.items() if value is not None]
        if len(given) != 1:
            raise ValueError(f"{where}: give exactly one of {', '.join(ways)}, not {' and '.join(given) or 'none'}")
        if self.aggregate and len(self.sources) != 1:
            raise ValueError(f"{where}: aggregations are over one source, not {', '.join(self.sources)}; join with sql")
        if self.transform and self.engine == "spark":
            raise ValueError(f"{where}: a transform runs on DuckDB alone; Spark runs sql and aggregate")
        for feature in self.features:
            if (feature.aggregate is None) != (self.aggregate is None):
                has = "has no aggregate" if self.aggregate else "has an aggregate, which only a view's own gives sense"
                raise ValueError(f"{where}: feature {feature.name!r} {has}")
        return self

    def all(self) -> tuple[str, ...]:
        """Each of the view's features, as `Model.features` takes them."""
        return self.select(*(feature.name for feature in self.features))

    def select(self, *names: str) -> tuple[str, ...]:
        """Some of the view's features, as `Model.features` takes them; raises `InvalidProduct` for one there isn't."""
        declared = [feature.name for feature in self.features]
        if missing := [name for name in names if name not in declared]:
            raise InvalidProduct(
                f"feature view {self.name!r} has no feature {', '.join(map(repr, missing))}. "
                f"Declared: {', '.join(declared)}"
            )
        return tuple(f"{self.name}.{name}" for name in names)

    @property
    def version(self) -> str:
        """Twelve hexadecimal digits that name the definition: alike in all that its values depend on, alike here.

        A transform counts with its module's source, not with what that imports.
        """
        definition: dict[str, Any] = self.model_dump(mode="json", exclude=_SAID_OF_A_VIEW)
        definition["features"] = [feature.name for feature in self.features]
        # Only where there are any: views of numbers are called what they were called before there was text.
        if texts := [feature.name for feature in self.features if feature.is_text]:
            definition["categories"] = texts
        if self.aggregate:
            definition["aggregate"] = self.aggregate.model_dump(mode="json")
            definition["windows"] = [
                feature.aggregate.model_dump(mode="json") for feature in self.features if feature.aggregate
            ]
        if self.transform:
            definition["transform"] = [self.transform, hashlib.sha256(source_of(self.transform)).hexdigest()]
        return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def online_bytes(self) -> int:
        """Most bytes that the view's values take of an entity's online item, with texts of their largest length."""
        texts = [feature for feature in self.features if feature.is_text]
        # Beside text a number has a tag, and a text a tag and an end.
        number = _VALUE + 1 if texts else _VALUE
        numbers = len(self.features) - len(texts)
        return _ATTRIBUTE + number * numbers + sum(2 + feature.largest_text for feature in texts)

    def timed(self, event_time: str | None, available_time: str | None) -> Self:
        """The view with the times of its source where its aggregations name none; raises `InvalidProduct` if there
        is no event time at all."""
        if self.aggregate is None:
            return self
        event = self.aggregate.event_time or event_time
        if event is None:
            raise InvalidProduct(
                f"feature view {self.name!r}: aggregations need an event time; neither they nor source "
                f"{self.sources[0]!r} names one"
            )
        times = {"event_time": event, "available_time": self.aggregate.available_time or available_time or event}
        return self.model_copy(update={"aggregate": self.aggregate.model_copy(update=times)})


def refuse_large_items(views: Iterable[FeatureView]) -> None:
    """Raise `InvalidProduct` if an online item can't hold all values of an entity.

    Views with the same join keys in the same order share one item. Items also hold earlier definitions that models
    still read, which a declaration can't know: an item that becomes too large by them is refused when it is written.
    """
    sharing: dict[tuple[str, ...], list[FeatureView]] = {}
    for view in views:
        sharing.setdefault(view.entity, []).append(view)
    for entity, among in sharing.items():
        if (size := _KEY_AND_EXPIRY + sum(view.online_bytes for view in among)) > LARGEST_ITEM:
            told = ", ".join(map(_shown, among))
            raise InvalidProduct(
                f"views looked up by {', '.join(entity)} share an online item, which would have {size:,} bytes; "
                f"DynamoDB takes {LARGEST_ITEM:,}: {told}. Declare fewer features, "
                "a smaller max_length of texts, or some of them of another entity"
            )


def _shown(view: FeatureView) -> str:
    texts = sum(feature.is_text for feature in view.features)
    return f"{view.name} ({len(view.features):,} features{f', {texts:,} of them text' if texts else ''})"
