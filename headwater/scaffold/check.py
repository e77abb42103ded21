"""`headwater check`: what is wrong with the products that no declaration can know of itself.

References are imported, contracts are looked at, and every query is bound against empty tables of the types that its
sources have, so that a misspelt column is found before anything is deployed.
"""

# ruff: noqa: S608 - names in SQL are declared by products and quoted
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pandas

from headwater.errors import InvalidRequest
from headwater.features.offline import compute
from headwater.lake.database import columns_of, quoted
from headwater.model import Catalog, FeatureView, Model, Source, resolve


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class ProductProblems(InvalidRequest):
    """Products have problems, a line each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))


def problems(catalog: Catalog) -> list[Problem]:
    """Everything that is wrong with the products in ``catalog``; empty if all is well."""
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        found = [problem for source in catalog.sources.values() for problem in _of_source(database, source)]
        found += [problem for view in catalog.views.values() for problem in _of_view(database, view)]
        found += [problem for model in catalog.models.values() for problem in _of_model(database, model)]
    return found


def _of_source(database: duckdb.DuckDBPyConnection, source: Source) -> Iterator[Problem]:
    """Check the contract and the SQL, and leave an empty table of the source's curated rows."""
    where = f"source {source.name!r}"
    try:
        schema = _schema(resolve(source.contract))
        landed = pandas.DataFrame(
            {name: pandas.Series(dtype=_dtype(column)) for name, column in schema.columns.items() if not column.regex}
        )
    except (InvalidRequest, TypeError) as error:
        yield Problem(where, f"contract {source.contract!r}: {error}")
        return
    if missing := [key for key in source.keys if key not in landed.columns]:
        yield Problem(where, f"keys {', '.join(missing)} are no columns of its contract")
    database.register("landed", landed)
    try:
        database.execute(f"CREATE TABLE {quoted(source.name)} AS {source.sql}")
    except duckdb.Error as error:
        yield Problem(where, f"sql: {_line(error)}")
        return
    finally:
        database.unregister("landed")
    columns = columns_of(database, source.name)
    for field, name in (("event_time", source.event_time), ("available_time", source.available_time)):
        if name is not None and not columns.get(name, "TIMESTAMP").startswith("TIMESTAMP"):
            yield Problem(where, f"{field} {name!r} is {columns[name]}, not a timestamp")
        if name is not None and name not in columns:
            yield Problem(where, f"{field} {name!r} is no curated column; there are {', '.join(columns)}")


def _of_view(database: duckdb.DuckDBPyConnection, view: FeatureView) -> Iterator[Problem]:
    where = f"feature view {view.name!r}"
    if view.sql:
        needed = [*view.entity, "event_time", "available_time", *(feature.name for feature in view.features)]
        yield from _of_query(database, where, view.sql, view.sources, needed)
    elif view.aggregate and _there(database, view.sources):
        try:
            compute(database, view, "__checked")
        except InvalidRequest as error:
            yield Problem(where, str(error).removeprefix(f"{where}: "))
    elif view.transform:
        # Not called: a function may rightly expect rows.
        try:
            if not callable(resolve(view.transform)):
                yield Problem(where, f"transform {view.transform!r} is no function")
        except InvalidRequest as error:
            yield Problem(where, f"transform: {error}")


def _of_model(database: duckdb.DuckDBPyConnection, model: Model) -> Iterator[Problem]:
    where = f"model {model.name!r}"
    try:
        if not callable(resolve(model.train)):
            yield Problem(where, f"train {model.train!r} is no function")
    except InvalidRequest as error:
        yield Problem(where, f"train: {error}")
    if model.on_demand:
        # Imported here: ONNX is slow to import and few models need it.
        from headwater.training.on_demand import Stage

        try:
            Stage(model)
        except InvalidRequest as error:
            yield Problem(where, str(error).removeprefix(f"{where}: "))
    needed = [*(entry.name for entry in model.inputs), model.examples.label]
    if model.features or model.holdout.last is not None:
        needed.append("asked_at")
    yield from _of_query(database, f"{where}: examples", model.examples.sql, model.examples.sources, needed)


def _of_query(
    database: duckdb.DuckDBPyConnection, where: str, sql: str, sources: Sequence[str], needed: Iterable[str]
) -> Iterator[Problem]:
    if not _there(database, sources):
        return  # The source's own problem stands in the list already.
    try:
        columns = [entry[0] for entry in database.execute(f"SELECT * FROM ({sql}) LIMIT 0").description or ()]
    except duckdb.Error as error:
        yield Problem(where, f"sql: {_line(error)}")
        return
    if missing := [name for name in dict.fromkeys(needed) if name not in columns]:
        yield Problem(where, f"sql yields no {', '.join(missing)}; it yields {', '.join(columns)}")


def _there(database: duckdb.DuckDBPyConnection, sources: Sequence[str]) -> bool:
    present = {row[0] for row in database.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    return present.issuperset(sources)


def _schema(contract: Any) -> Any:
    schema = contract.to_schema() if hasattr(contract, "to_schema") else contract
    if not hasattr(schema, "columns") or not hasattr(schema, "validate"):
        raise TypeError(f"expected a pandera DataFrameSchema, not {type(contract).__name__}")
    return schema


def _dtype(column: Any) -> Any:
    kind = getattr(column.dtype, "type", None)
    # Of objects without a row DuckDB can't tell that they are text.
    return object if kind is None else "str" if str(kind) in {"str", "string"} else kind


def _line(error: Exception) -> str:
    """DuckDB draws an arrow under the query; the first lines say what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(line for line in lines if not line.startswith(("LINE ", "^")))
