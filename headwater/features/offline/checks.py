"""Checks a view's rows against the ranges, kinds and shares that its features declare."""

# ruff: noqa: S608 - names in SQL are declared by products and quoted
from __future__ import annotations

from headwater.declare import Feature, FeatureView
from headwater.features.errors import InvalidView
from headwater.features.inputs import shown, text_expectation
from headwater.features.offline.columns import EVENT
from headwater.features.offline.engine import Engine
from headwater.features.online.encoding import EXACT
from headwater.lake.database import literal, quoted


def check_values(engine: Engine, view: FeatureView, table: str) -> None:
    """Check a view's rows against its features' ranges, kinds and shares of missing values.

    Raises
    ------
    InvalidView
        Names each feature that fails, how many rows do, and one of them.
    """
    ranged = {feature.name: condition for feature in view.features if (condition := _outside(feature))}
    counted = {feature.name: feature for feature in view.features if feature.max_missing is not None}
    if not ranged and not counted:
        return
    counts = [f"count(CASE WHEN {condition} THEN 1 END)" for condition in ranged.values()]
    counts += [f"count(*) - count({quoted(name)})" for name in counted]
    rows, *found = engine.row(f"SELECT count(*), {', '.join(counts)} FROM {quoted(table)}")
    problems = [
        f"feature {name!r}: {number:,} of {rows:,} rows are {_unwanted(view, name)}, such as "
        + _example(engine, view, table, name, ranged[name])
        for name, number in zip(ranged, found, strict=False)
        if number
    ]
    for (name, feature), number in zip(counted.items(), found[len(ranged) :], strict=True):
        if rows and feature.max_missing is not None and number / rows > feature.max_missing:
            problems.append(
                f"feature {name!r}: {number:,} of {rows:,} rows are missing ({number / rows:.1%}, limit "
                f"{feature.max_missing:.1%}), such as " + _example(engine, view, table, name, f"{quoted(name)} IS NULL")
            )
    if problems:
        raise InvalidView(f"feature view {view.name!r}: {'; '.join(problems)}")


def _outside(feature: Feature) -> str:
    """An SQL condition that holds for values outside the declaration; empty if every value is allowed."""
    name = quoted(feature.name)
    wrong = [] if feature.minimum is None else [f"{name} < {feature.minimum!r}"]
    wrong += [] if feature.maximum is None else [f"{name} > {feature.maximum!r}"]
    if feature.kind == "boolean":
        wrong.append(f"{name} NOT IN (0, 1)")
    elif feature.kind == "integer":
        wrong.append(f"{name} <> floor({name}) OR abs({name}) > {EXACT}")
    elif feature.is_text:
        wrong.append(f"length({name}) > {feature.longest}")
        if feature.values is not None:
            wrong.append(f"{name} NOT IN ({', '.join(map(literal, feature.values))})")
    return " OR ".join(wrong)


def _unwanted(view: FeatureView, name: str) -> str:
    feature = next(feature for feature in view.features if feature.name == name)
    if feature.is_text:
        return f"not {text_expectation(feature)}"
    low = "" if feature.minimum is None else f"from {feature.minimum:g} "
    high = "" if feature.maximum is None else f"up to {feature.maximum:g} "
    kinds = {"boolean": "0 and 1 ", "integer": f"the whole numbers within ±{EXACT:,} ", "number": ""}
    return f"outside {kinds[feature.kind]}{low}{high}".strip()


def _example(engine: Engine, view: FeatureView, table: str, name: str, condition: str) -> str:
    keys = ", ".join(map(quoted, view.entity))
    *entity, event, value = engine.row(
        f"SELECT {keys}, {EVENT}, {quoted(name)} FROM {quoted(table)} WHERE {condition} "
        f"ORDER BY {EVENT}, {keys} LIMIT 1"
    )
    named = ", ".join(f"{key} {part!r}" for key, part in zip(view.entity, entity, strict=True))
    said = "nothing" if value is None else shown(value) if isinstance(value, str) else format(value, "g")
    return f"{said} for {named} at {event}"
