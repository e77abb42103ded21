"""The columns of a view's rows as SQL: keys, times, values and the order among an entity's rows."""

from __future__ import annotations

from headwater.lake.database import quoted
from headwater.model import Feature, FeatureView

EVENT, AVAILABLE, ASKED = "event_time", "available_time", "asked_at"
LARGEST, LARGEST_SINGLE = 1.7976931348623157e308, 3.4028234663852886e38
KNOWN = f"greatest({EVENT}, {AVAILABLE})"
"""From when on a row is known."""


def entity_sql(column: str, kind: str) -> str:
    """A join key as text, as `headwater.features.inputs.entity_text` writes it; NULL when missing."""
    if kind in {"DOUBLE", "FLOAT"} or kind.startswith("DECIMAL"):
        number = f"CAST({column} AS DOUBLE)"
        whole, other = f"CAST(TRY_CAST({number} AS HUGEINT) AS VARCHAR)", f"CAST({number} AS VARCHAR)"
        return finite_sql(f"CASE WHEN {number} = floor({number}) THEN {whole} ELSE {other} END", number)
    return f"nullif(CAST({column} AS VARCHAR), '')"


def moment_sql(column: str, kind: str) -> str:
    """A time in UTC without a zone."""
    return f"timezone('UTC', {column})" if kind == "TIMESTAMP WITH TIME ZONE" else f"CAST({column} AS TIMESTAMP)"


def finite_sql(value: str, number: str = "") -> str:
    """``value``, or NULL where ``number`` (by default itself) is NaN or infinite.

    NaN is above everything in DuckDB and Spark alike; not every engine has a word for it.
    """
    return f"CASE WHEN abs({number or value}) <= {LARGEST} THEN {value} END"


def value_sql(feature: Feature) -> str:
    """A feature's value: text, NULL where empty; or a number of float32's precision, in a DOUBLE, NULL where it is none
    that a model could use.

    Sums of floats may differ in their last bit from run to run; in float32 they don't.
    """
    column = quoted(feature.name)
    if feature.is_text:
        return text_sql(column)
    single = f"CAST(TRY_CAST({column} AS FLOAT) AS DOUBLE)"
    return f"CASE WHEN abs({single}) <= {LARGEST_SINGLE} THEN {single} END"


def text_sql(column: str) -> str:
    """A category, as a request input of that kind is read: the empty one is missing."""
    return f"nullif(CAST({column} AS VARCHAR), '')"


def newest_last(view: FeatureView) -> str:
    """An ORDER BY list by which an entity's newest row comes last; decides ties."""
    ties = "".join(f", {quoted(feature.name)} NULLS FIRST" for feature in view.features)
    return f"{EVENT}, {AVAILABLE}{ties}"
