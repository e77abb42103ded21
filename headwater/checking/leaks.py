"""Whether an example's features can know its label: the join in time is tried with one row alone.

A row is put on the tables by itself, the model's examples and the view's rows are made from it and joined as training
does. If the example then has a feature, that feature was made from the example's own row. If changing one column of the
row changes both the label and the feature, the label was known when the question came: in training it always is, and
in production never.
"""

# ruff: noqa: S608 - names in SQL are declared by products and quoted
from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from headwater.checking.queries import columns_named
from headwater.checking.rows import NUMBER, Bench
from headwater.checking.views import loosened
from headwater.declare import FeatureView, Model
from headwater.errors import HeadwaterError
from headwater.features.offline.columns import ASKED, AVAILABLE, EVENT
from headwater.features.offline.examples import EXAMPLES, make_examples
from headwater.features.offline.point_in_time import historical
from headwater.features.offline.rows import compute, table_of
from headwater.lake.database import quoted

TRIED = 3
"""Rows of a sample at most that are tried."""
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Leak:
    """One way in which a feature knows the label."""

    view: str
    feature: str
    source: str
    column: str


def leak_problems(bench: Bench, model: Model, views: Mapping[str, FeatureView]) -> Iterator[str]:
    """Features of a model that see the label of the very example that they are for."""
    shared = [view for name in model.views if (view := _watched(bench, model, views[name]))]
    if not shared or not bench.has(model.examples.sources):
        return
    found = _Probe(bench, model, shared).leaks()
    for leak in dict.fromkeys(found):
        yield (
            f"feature '{leak.view}.{leak.feature}' sees the example's own row of {leak.source!r}, and with it "
            f"{leak.column!r}, which label {model.examples.label!r} is made from: the answer would be its own clue. "
            f"Give the source or view {leak.view!r} an available_time: when {leak.column!r} is known; or let the "
            "examples ask earlier (asked_at). What is known when asked belongs into the request's inputs"
        )


def _watched(bench: Bench, model: Model, view: FeatureView) -> FeatureView | None:
    """The view as it is tried, if its rows are made from what the examples are made from."""
    if not set(view.sources) & set(model.examples.sources) or not bench.has(view.sources):
        return None
    return loosened(view)


class _Probe:
    """One model's examples and the views that share a source with them."""

    def __init__(self, bench: Bench, model: Model, views: Sequence[FeatureView]) -> None:
        self._bench, self._model = bench, model
        self._views = list(views)
        self._sources = sorted({*model.examples.sources, *(name for view in views for name in view.sources)})
        self._inputs = [entry.name for entry in model.inputs]

    def leaks(self) -> list[Leak]:
        """The leaks. One row of a sample is enough; made rows count only if all show it, whatever their times."""
        shared = sorted({name for view in self._views for name in view.sources} & {*self._model.examples.sources})
        count = max((self._bench.count(source) for source in self._sources), default=0)
        sampled = self._bench.sampled.issuperset(shared)
        # Of made rows every second one has its times in another order.
        places = range(count)[:2] if not sampled else {place * (count - 1) // (TRIED - 1) for place in range(TRIED)}
        seen = {place: found for place in sorted(places) if (found := self._seen(place)) is not None}
        # What one made row doesn't see hangs on times that were made.
        if not any(seen.values()) or (not sampled and not all(seen.values())):
            return []
        each = [self._leaks_at(place, shared, watched) for place, watched in seen.items() if watched]
        every = set().union(*each) if sampled else set.intersection(*each)
        return [leak for found in each for leak in sorted(found, key=str) if leak in every]

    def _seen(self, place: int) -> dict[str, Row] | None:
        """The features that an example has of its own row alone, by view; None if no labelled example comes of it."""
        self._put(place)
        example = self._example()
        if example is None or example[self._model.examples.label] is None:
            return None
        seen = self._features([view.name for view in self._views if self._may_be_seen(view, example)])
        return {view: values for view, values in seen.items() if any(value is not None for value in values.values())}

    def _leaks_at(self, place: int, shared: Sequence[str], watched: Mapping[str, Row]) -> set[Leak]:
        """The values that change with a column that changes the label too."""
        self._put(place)
        before = self._example()
        return {
            leak
            for source in shared
            for column, values in self._telling(place, source, before or {}).items()
            for leak in self._told(place, source, column, values, watched)
        }

    def _telling(self, place: int, source: str, before: Row) -> dict[str, list[str]]:
        """The columns of a source that change the label and nothing that the request carries, and to which values."""
        told: dict[str, list[str]] = {}
        label = self._model.examples.label
        for column in columns_named(self._bench.connection, self._model.examples.sql, self._bench.columns[source]):
            for value in self._bench.values(source, column):
                self._put(place)
                after = self._example() if self._bench.change(source, column, value) else None
                if after is None:
                    continue
                if any(after[name] != before[name] for name in (*self._inputs, ASKED)):
                    told.pop(column, None)
                    break
                if after[label] not in (None, before[label]):
                    told.setdefault(column, []).append(value)
        return told

    def _told(
        self, place: int, source: str, column: str, values: Sequence[str], watched: Mapping[str, Row]
    ) -> Iterator[Leak]:
        """The features that change with a column."""
        for value in values:
            self._put(place)
            self._bench.change(source, column, value)
            after = self._features(watched)
            for view, features in watched.items():
                for name, was in features.items():
                    if after.get(view, {}).get(name) != was:
                        yield Leak(view, name.partition("__")[2], source, column)

    def _put(self, place: int) -> None:
        for source in self._sources:
            self._bench.put([source], f"{NUMBER} = {place % max(self._bench.count(source), 1)}")

    def _example(self) -> Row | None:
        """The one example of the rows on the table; None if there is none or there are several."""
        try:
            read = self._bench.connection.execute(self._model.examples.sql)
            names, rows = [entry[0] for entry in read.description or ()], read.fetchall()
        except duckdb.Error:
            return None
        whole = {*self._inputs, self._model.examples.label, ASKED} <= set(names)
        return dict(zip(names, rows[0], strict=True)) if whole and len(rows) == 1 else None

    def _may_be_seen(self, view: FeatureView, example: Row) -> bool:
        """Whether the example is asked after a row of a view could be known; looked at first, for computing is slow."""
        if view.transform:
            return True
        if view.aggregate:
            event, available = view.aggregate.event_time, view.aggregate.available_time
            rows = f"SELECT {quoted(event or '')} AS e, {quoted(available or '')} AS a FROM {quoted(view.sources[0])}"
        else:
            rows = f"SELECT {EVENT} AS e, {AVAILABLE} AS a FROM (\n{view.sql}\n)"
        known = f"SELECT min(greatest(CAST(e AS TIMESTAMP), CAST(a AS TIMESTAMP))) FROM ({rows}) AS made"
        try:
            ((first,),) = self._bench.connection.execute(known).fetchall()
        except duckdb.Error:
            return True
        asked = example[ASKED]
        if first is None or not isinstance(asked, datetime):
            return first is not None
        return bool(first <= (asked.astimezone(UTC).replace(tzinfo=None) if asked.tzinfo else asked))

    def _features(self, names: Collection[str]) -> dict[str, Row]:
        """Leaks of the example's own row, view by view: a view that fails must not hide another."""
        found: dict[str, Row] = {}
        if not names:
            return found
        try:
            make_examples(self._bench.connection, self._model)
        except (HeadwaterError, duckdb.Error):
            return found
        for view in self._views:
            if view.name not in names:
                continue
            wanted = [name for name in self._model.features if name.partition(".")[0] == view.name]
            try:
                compute(self._bench.connection, view, table_of(view))
                joined = historical(
                    self._bench.connection, EXAMPLES, {view.name: view}, {view.name: table_of(view)}, wanted
                )
                columns, rows = joined.columns, joined.fetchall()
            except (HeadwaterError, duckdb.Error, ValueError):
                continue
            row = dict(zip(columns, rows[0], strict=True)) if len(rows) == 1 else {}
            found[view.name] = {name: row.get(name) for name in (one.replace(".", "__") for one in wanted)}
        return found
