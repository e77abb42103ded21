"""The point-in-time join: for each example, what was known of its entity when it was asked.

Of an entity's rows those are known at a moment whose event time *and* available time are not later. Of these the newest
counts: by event time, then by available time, then (rows alike in both) the one whose values are largest, compared
feature by feature in declared order, a missing value being the smallest. If its event time is more than the TTL before
the moment, nothing is known. `headwater.features.online` answers by the same rule.
"""

# ruff: noqa: S608 - names in SQL are declared by products and quoted
from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from headwater.features.errors import InvalidView
from headwater.lake.database import columns_of, quoted
from headwater.model import FeatureView

EVENT, AVAILABLE, ASKED = "event_time", "available_time", "asked_at"
POSITION = "__position"


def entity_sql(column: str, kind: str) -> str:
    """A join key as text, as `headwater.features.inputs.entity_text` writes it; NULL when missing."""
    if kind in {"DOUBLE", "FLOAT"} or kind.startswith("DECIMAL"):
        number = f"CAST({column} AS DOUBLE)"
        whole, other = f"CAST(TRY_CAST({number} AS HUGEINT) AS VARCHAR)", f"CAST({number} AS VARCHAR)"
        return (
            f"CASE WHEN isfinite({number}) THEN CASE WHEN {number} = trunc({number}) THEN {whole} ELSE {other} END END"
        )
    return f"nullif(CAST({column} AS VARCHAR), '')"


def moment_sql(column: str, kind: str) -> str:
    """A time in UTC without a zone."""
    return f"timezone('UTC', {column})" if kind == "TIMESTAMP WITH TIME ZONE" else f"CAST({column} AS TIMESTAMP)"


def newest_last(view: FeatureView) -> str:
    """An ORDER BY list by which an entity's newest row comes last; decides ties."""
    ties = "".join(f", {quoted(feature.name)} NULLS FIRST" for feature in view.features)
    return f"{EVENT}, {AVAILABLE}{ties}"


def historical(
    connection: duckdb.DuckDBPyConnection,
    examples: str,
    views: Mapping[str, FeatureView],
    offline: Mapping[str, str],
    features: Sequence[str],
) -> duckdb.DuckDBPyRelation:
    """The examples with the features' values as they were known at each one's ``asked_at``.

    Parameters
    ----------
    connection : DuckDBPyConnection
    examples : str
        Table or view with a column for each join key and ``asked_at`` (timestamp; UTC unless it has a zone).
    views : mapping
        Feature views by name.
    offline : mapping
        View name to the table of its offline rows: the entity's columns as text, ``event_time``, ``available_time``
        and the features.
    features : sequence of str
        ``view.feature`` each.

    Returns
    -------
    DuckDBPyRelation
        Every row of ``examples``, in order, with a column ``view__feature`` for each feature.

    Raises
    ------
    InvalidView
        ``examples`` lacks a join key or ``asked_at``.
    """
    present = columns_of(connection, examples)
    wanted: dict[str, list[str]] = {}
    for reference in features:
        view, _, feature = reference.partition(".")
        wanted.setdefault(view, []).append(feature)
    lacking = sorted({key for name in wanted for key in (*views[name].entity, ASKED) if key not in present})
    if lacking:
        raise InvalidView(f"examples lack {', '.join(lacking)}; they have {', '.join(present)}")
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE __asked AS SELECT row_number() OVER () AS {POSITION}, * FROM {quoted(examples)}"
    )
    joins = []
    for number, (name, chosen) in enumerate(wanted.items()):
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE __known_{number} AS "
            + _answers(views[name], offline[name], chosen, present)
        )  # fmt: skip
        joins.append(f"LEFT JOIN __known_{number} USING ({POSITION})")
    columns = "".join(f", {quoted(reference.replace('.', '__'))}" for reference in features)
    return connection.sql(
        f"SELECT __asked.* EXCLUDE ({POSITION}){columns} FROM __asked {' '.join(joins)} ORDER BY {POSITION}"
    )


def _answers(view: FeatureView, offline: str, chosen: Sequence[str], present: Mapping[str, str]) -> str:
    """A query: for each asked position that something is known of, the chosen features' columns.

    An ASOF join finds the row that became known last, which isn't always the newest: a late row may tell of an earlier
    moment. So rows that were not the newest of their entity when they became known are left out first; of the rest, the
    one that became known last *is* the newest.
    """
    keys = [quoted(key) for key in view.entity]
    partition = ", ".join(keys)
    known_at = f"greatest({EVENT}, {AVAILABLE})"
    asked = ", ".join(
        entity_sql(key, present[name]) + f" AS {key}" for key, name in zip(keys, view.entity, strict=True)
    )
    ttl = round(view.ttl.total_seconds() * 1e6)
    columns = ", ".join(f"known.{quoted(name)} AS {quoted(f'{view.name}__{name}')}" for name in chosen)
    same = " AND ".join(f"asked.{key} = known.{key}" for key in keys)
    return f"""
        WITH ranked AS (
            SELECT *, {known_at} AS known_at,
                row_number() OVER (PARTITION BY {partition} ORDER BY {newest_last(view)}) AS age_rank
            FROM {quoted(offline)}
        ), known AS (
            SELECT * FROM ranked
            QUALIFY age_rank = max(age_rank) OVER (
                PARTITION BY {partition} ORDER BY known_at RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
        ), asked AS (
            SELECT {POSITION}, {moment_sql(ASKED, present[ASKED])} AS {ASKED}, {asked} FROM __asked
        )
        SELECT asked.{POSITION}, {columns}
        FROM asked ASOF JOIN known ON {same} AND asked.{ASKED} >= known.known_at
        WHERE epoch_us(asked.{ASKED}) - epoch_us(known.{EVENT}) <= {ttl}
        """
