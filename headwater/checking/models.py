"""Faults of a model: in its examples, its on-demand features, and a call of its train function."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb

from headwater.checking.queries import problems_of_query
from headwater.checking.rows import Bench
from headwater.checking.training import train_problems
from headwater.checking.words import lacking, said
from headwater.declare import Model, RequestInput
from headwater.errors import HeadwaterError
from headwater.features.offline.engine import NUMBERS
from headwater.features.offline.examples import make_examples
from headwater.lake.database import columns_of
from headwater.training.types import ASKED

_BOUND = "__bound"
_TAKEN = frozenset({"rowid"})
"""Columns of examples that the join in time counts rows by."""


def model_problems(bench: Bench, model: Model) -> Iterator[str]:
    """Check a model; of its examples as far as the tables of their sources are in the database."""
    stage = ""
    if model.on_demand:
        # Imported here: ONNX is slow to import and few models need it.
        from headwater.training.on_demand import Stage

        try:
            Stage(model)
        except HeadwaterError as error:
            stage = said(error).removeprefix(f"model {model.name!r}: ")
            yield stage
    if not stage:
        yield from train_problems(model)
    if bench.has(model.examples.sources):
        for problem in _examples_problems(bench, model):
            yield f"examples: {problem}"


def _examples_problems(bench: Bench, model: Model) -> Iterator[str]:
    examples, connection = model.examples, bench.connection
    columns = {column for source in examples.sources for column in bench.columns[source]}
    yield from problems_of_query(connection, examples.sql, examples.sources, columns)
    bench.clear(examples.sources)
    try:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {_BOUND} AS {examples.sql}")
    except duckdb.Error as error:
        yield f"sql: {said(error)}"
        return
    kinds = columns_of(connection, _BOUND)
    connection.execute(f"DROP TABLE temp.{_BOUND}")
    needed = [*(entry.name for entry in model.inputs), examples.label]
    if model.features or model.holdout.last is not None:
        needed.append(ASKED)
    if problem := lacking(needed, kinds):
        yield problem
        return
    if taken := sorted(_TAKEN & {name.lower() for name in kinds}):
        yield f"sql yields {', '.join(taken)}, which has a meaning already; choose another name"
    for entry in model.inputs:
        if expected := _expected(entry, kinds[entry.name]):
            yield f"sql yields {entry.name} as {kinds[entry.name]}; a {entry.kind} is made from {expected}"
    if (kind := kinds.get(ASKED, "TIMESTAMP")) and not kind.startswith(("TIMESTAMP", "DATE")):
        yield f"sql yields {ASKED} as {kind}, not a timestamp"
    elif bench.sampled.issuperset(examples.sources):
        yield from _run(bench, model)


def _run(bench: Bench, model: Model) -> Iterator[str]:
    """Make the examples of the sample's rows, as training would."""
    bench.put(model.examples.sources)
    try:
        make_examples(bench.connection, model)
    except HeadwaterError as error:
        yield f"on the rows of sample.csv, {said(error).removeprefix(f'model {model.name!r}: ')}"


def _expected(entry: RequestInput, kind: str) -> str:
    """The type that an input's column needs instead of DuckDB's ``kind``; empty if ``kind`` fits."""
    if kind == '"NULL"':
        return ""
    if entry.kind == "number" and not NUMBERS.match(kind):
        return "numbers (CAST(... AS DOUBLE))"
    if entry.kind == "timestamp" and not kind.startswith(("TIMESTAMP", "DATE", "VARCHAR")):
        return "times"
    nested = kind.startswith(("TIMESTAMP", "DATE", "TIME", "INTERVAL", "STRUCT", "MAP", "BLOB")) or kind.endswith("]")
    if entry.kind == "category" and nested:
        return "text or numbers (CAST(... AS VARCHAR))"
    return ""
