"""A model's examples, as its SQL makes them of the sources: what training learns from and labels are read from."""

# ruff: noqa: S608 - names in SQL are declared by products and quoted
from __future__ import annotations

from collections.abc import Collection

import duckdb

from headwater.declare import Model
from headwater.features.errors import InvalidExamples
from headwater.features.offline.columns import ASKED
from headwater.lake.database import columns_of, without_zones
from headwater.lake.errors import NotKept

EXAMPLES = "__examples"


def make_examples(
    connection: duckdb.DuckDBPyConnection,
    model: Model,
    *,
    needed: Collection[str] | None = None,
    between: tuple[int, int] | None = None,
) -> bool:
    """Make the table of the model's examples, with times in UTC and without a zone; whether they have ``asked_at``.

    Parameters
    ----------
    connection : DuckDBPyConnection
        With a table for each source.
    model : Model
    needed : collection of str, optional
        Columns that the examples must have beside the label; by default all that training needs.
    between : (int, int), optional
        Only examples asked about in between, both included, in microseconds since 1970; of examples without
        ``asked_at`` it means nothing.

    Raises
    ------
    InvalidExamples
        The SQL fails, or lacks a column that is needed.
    """
    query = model.examples.sql.strip().rstrip(";")
    try:
        if between is not None and ASKED in connection.sql(query).columns:
            first, last = (f"make_timestamptz({moment})" for moment in between)
            query = f"SELECT * FROM ({query}\n) WHERE {ASKED} BETWEEN {first} AND {last}"
        connection.execute(f"CREATE OR REPLACE TEMP TABLE __zoned AS {query}")
    except duckdb.Error as error:
        said = " ".join(str(error).split())[:500]
        raise InvalidExamples(f"model {model.name!r}: the SQL of its examples fails: {said}") from error
    present = columns_of(connection, "__zoned")
    if needed is None:
        needed = [*(entry.name for entry in model.inputs), model.examples.label]
        needed += [ASKED] if model.features or model.holdout.last else []
    if lacking := [name for name in dict.fromkeys([*needed, model.examples.label]) if name not in present]:
        raise InvalidExamples(
            f"model {model.name!r}: its examples lack {', '.join(lacking)}; they have {', '.join(present)}"
        )
    if ASKED in present:
        _check_asked(connection, model, present[ASKED])
    try:
        unzoned = without_zones(connection, "__zoned")
    except NotKept as error:
        raise InvalidExamples(f"model {model.name!r}: the SQL of its examples yields {error.message}") from error
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {EXAMPLES} AS {unzoned}")
    return ASKED in present


def _check_asked(connection: duckdb.DuckDBPyConnection, model: Model, kind: str) -> None:
    if not kind.startswith(("TIMESTAMP", "DATE")):
        raise InvalidExamples(f"model {model.name!r}: {ASKED} is {kind}, expected a timestamp")
    empty = connection.execute(f"SELECT count(*) FROM __zoned WHERE {ASKED} IS NULL").fetchone() or (0,)
    if empty[0]:
        raise InvalidExamples(f"model {model.name!r}: {empty[0]:,} examples have no {ASKED}")
