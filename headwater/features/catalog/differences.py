"""Differences between two definitions of a view, and between the statistics of two materialisations."""

from __future__ import annotations

import difflib
from textwrap import dedent
from typing import Any

from pydantic import computed_field

from headwater.features.definitions import Definition
from headwater.features.offline.statistics import FeatureStatistics, Statistics
from headwater.features.online.records import Materialisation
from headwater.values import Value


class FieldChange(Value):
    """One changed field of a definition."""

    field: str
    """The field's path, such as ``ttl`` or ``features.mean_delay.minimum``."""
    before: Any
    """The value before; None if the field was new."""
    after: Any
    """The value after; None if the field is gone."""


class FeatureChange(Value):
    """One feature's statistics before and after."""

    feature: str
    before: FeatureStatistics | None
    """Statistics before; None if the view lacked the feature, or no statistics were kept."""
    after: FeatureStatistics | None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def shift(self) -> float | None:
        """How far the mean moved, in standard deviations of before; None if that can't be said."""
        if self.before is None or self.after is None or self.before.mean is None or self.after.mean is None:
            return None
        moved = self.after.mean - self.before.mean
        if not moved:
            return 0.0
        return moved / self.before.deviation if self.before.deviation else None


class Side(Value):
    """One of the two states that are compared."""

    version: str
    """Version of the definition."""
    materialisation: Materialisation | None
    """The data version; None if the definition was never materialised."""
    statistics: Statistics | None
    """The statistics; None if none are kept."""


class Difference(Value):
    """The changes of a view from one state to another."""

    view: str
    before: Side
    after: Side
    definition: tuple[FieldChange, ...]
    """The changed fields; empty if both states have the same definition."""
    sql: tuple[str, ...]
    """The change of the SQL as a unified diff, line by line."""
    features: tuple[FeatureChange, ...]
    """Every feature of either side; empty if neither side has statistics."""


def compare(before: Side, after: Side, first: Definition, second: Definition) -> Difference:
    """Compare two states of one view, of which the definitions are given as well."""
    return Difference(
        view=second.view.name,
        before=before,
        after=after,
        definition=(*_changes(_plain(first), _plain(second)), *_reordered(first, second)),
        sql=tuple(_unified(first.view.sql or "", second.view.sql or "", before.version, after.version)),
        features=tuple(_features(before.statistics, after.statistics)),
    )


def _plain(definition: Definition) -> dict[str, Any]:
    """The definition as nested fields; features by name, so that moving one is no change of the others."""
    fields = definition.view.model_dump(mode="json", exclude={"name", "sql"}, exclude_none=True)
    fields["features"] = {entry.pop("name"): entry for entry in fields["features"]}
    return fields


def _changes(before: dict[str, Any], after: dict[str, Any], path: str = "") -> list[FieldChange]:
    found = []
    for name in [*before, *(name for name in after if name not in before)]:
        here = f"{path}{name}"
        old, new = before.get(name), after.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            found += _changes(old, new, f"{here}.")
        elif old != new:
            found.append(FieldChange(field=here, before=old, after=new))
    return found


def _reordered(before: Definition, after: Definition) -> list[FieldChange]:
    old, new = ([feature.name for feature in definition.view.features] for definition in (before, after))
    return [FieldChange(field="features", before=old, after=new)] if old != new and set(old) == set(new) else []


def _unified(before: str, after: str, old: str, new: str) -> list[str]:
    first, second = (dedent(text).strip("\n").rstrip().splitlines() for text in (before, after))
    return list(difflib.unified_diff(first, second, fromfile=f"sql of {old}", tofile=f"sql of {new}", lineterm="", n=2))


def _features(before: Statistics | None, after: Statistics | None) -> list[FeatureChange]:
    old = before.features if before else {}
    new = after.features if after else {}
    names = [*new, *(name for name in old if name not in new)]
    return [FeatureChange(feature=name, before=old.get(name), after=new.get(name)) for name in names]
