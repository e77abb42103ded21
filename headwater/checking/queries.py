"""Inspects a query before it runs: its tables, and functions whose answer changes from run to run."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Any

import duckdb

_KEYWORDS = frozenset({"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"})
"""Functions that are called without parentheses; a column of that name comes before them."""
_HARMLESS = frozenset({"error", "stats", "vector_type"})
"""Volatile to DuckDB's optimiser only."""


def problems_of_query(
    connection: duckdb.DuckDBPyConnection, sql: str, tables: Collection[str], columns: Collection[str] = ()
) -> Iterator[str]:
    """Faults of a query that don't depend on its rows, and that a run doesn't show.

    Parameters
    ----------
    connection : DuckDBPyConnection
    sql : str
    tables : collection of str
        Those that it may read.
    columns : collection of str
        Theirs.
    """
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error:
        return  # Binding it says so, and where.
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        yield "sql must be one SELECT"
        return
    known = {table.lower() for table in tables}
    if others := sorted(name for name in _tables(connection, sql) if name.lower() not in known):
        yield f"sql reads {', '.join(others)}, which its sources don't name; they name {', '.join(sorted(tables))}"
    changing, sampled = _used(connection, sql)
    changing -= _KEYWORDS & {column.lower() for column in columns}
    if changing:
        yield (
            f"sql calls {', '.join(sorted(changing))}: the same data would give other rows at another time. Take times "
            "from the rows (a column such as event_time)"
        )
    if sampled:
        yield "sql takes a random sample: the same data would give other rows. Choose by hash(a column) % n = 0"


def _used(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[set[str], bool]:
    """The functions of a query that depend on more than its rows, and whether it takes a sample."""
    changing = changing_functions()
    tree = parsed(connection, sql)
    if not tree:
        words = set(re.findall(r"([a-z_0-9]+)\s*\(", sql.lower()))
        return words & changing, False
    used, sampled = set(), False
    for node in nodes(tree):
        sampled |= isinstance(node.get("sample"), dict)
        if node.get("class") == "FUNCTION":
            name = str(node["function_name"]).lower()
            # Of one time, age() is that until today.
            if name in changing or (name == "age" and len(node.get("arguments", node.get("children", ()))) == 1):
                used.add(name)
        elif node.get("class") == "COLUMN_REF" and len(node["column_names"]) == 1:
            used |= _KEYWORDS & {node["column_names"][0].lower()}
    return used, sampled


def _tables(connection: duckdb.DuckDBPyConnection, sql: str) -> set[str]:
    """The tables, and the files, that a query reads, besides those that it makes itself."""
    found = list(nodes(parsed(connection, sql)))
    made = {entry["key"].lower() for node in found for entry in (node.get("cte_map") or {}).get("map", ())}
    return {node["table_name"] for node in found if node.get("type") == "BASE_TABLE"} - {
        name for node in found if (name := node.get("table_name", "")) and name.lower() in made
    }


def parsed(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[str, Any]:
    """A SELECT as DuckDB reads it; empty for what it doesn't hand out, such as a PIVOT."""
    ((text,),) = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()
    tree = json.loads(text)
    return {} if tree["error"] else dict(tree["statements"][0]["node"])


def columns_named(connection: duckdb.DuckDBPyConnection, sql: str, columns: Collection[str]) -> list[str]:
    """The columns that a query may read: by name, or all of them if it says ``*``."""
    tree = parsed(connection, sql)
    named = {str(node["column_names"][-1]).lower() for node in nodes(tree) if node.get("class") == "COLUMN_REF"}
    everything = not tree or any(node.get("class") == "STAR" for node in nodes(tree))
    return [column for column in columns if everything or column.lower() in named]


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every node of a tree of `parsed`."""
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for branch in tree:
            yield from nodes(branch)


@lru_cache(maxsize=1)
def changing_functions() -> frozenset[str]:
    """Functions of DuckDB whose answer isn't decided by their arguments: by its own catalogue, macros included."""
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT function_name, stability, macro_definition FROM duckdb_functions()"
        ).fetchall()
    named = {name for name, stability, _ in rows if stability in {"VOLATILE", "CONSISTENT_WITHIN_QUERY"}} - _HARMLESS
    words = re.compile(rf"\b({'|'.join(map(re.escape, sorted(named | _KEYWORDS)))})\b")
    named |= {name for name, _, definition in rows if definition and words.search(definition)}
    return frozenset(named | _KEYWORDS)
