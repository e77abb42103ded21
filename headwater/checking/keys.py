"""Whether a source's keys come through its SQL as they are: rows of later files replace earlier ones by them."""

# ruff: noqa: S608 - names in SQL are declared by products and quoted
from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import duckdb

from headwater.checking.queries import parsed
from headwater.declare import Source
from headwater.lake.database import quoted


def key_problems(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    keys: Sequence[str],
    columns: Collection[str],
    changed: Collection[str],
) -> Iterator[str]:
    """The keys that the SQL loses, renames or changes.

    Parameters
    ----------
    connection : DuckDBPyConnection
    source : Source
    keys : sequence of str
        Those that its contract has.
    columns : collection of str
        The curated ones.
    changed : collection of str
        The keys of which `changed_keys` found another value in some row.
    """
    lost = [key for key in keys if key not in columns]
    if lost:
        names = renamed(connection, source)
        gone = ", ".join(f"{key} (sql calls it {', '.join(names[key])})" if key in names else key for key in lost)
        yield (
            f"keys {gone} are no curated columns, so a row of a later file would not replace the one that it corrects. "
            f"Let sql yield {', '.join(map(quoted, keys))} under these names, and rename them where they are "
            "used: in views and examples"
        )
    altered = sorted(({*changed} | {*computed(connection, source)}) & {*columns} & {*keys})
    if altered:
        yield (
            f"sql changes the values of keys {', '.join(altered)}: within a file rows are compared as they land, "
            "between files as they are curated. Leave the keys as they are, and give what is made of them another name"
        )


def changed_keys(
    connection: duckdb.DuckDBPyConnection, source: Source, columns: Collection[str], landed: str
) -> set[str]:
    """The keys whose value in the source's table isn't the one in the one row of ``landed`` that it was made of."""
    kept = [key for key in source.keys if key in columns]
    if not kept:
        return set()
    # A whole number that became text is the same row's key; one that became another number isn't.
    same = ", ".join(
        f"CAST(was.{key} AS VARCHAR) IS NOT DISTINCT FROM CAST(made.{key} AS VARCHAR)" for key in map(quoted, kept)
    )
    rows = connection.execute(
        f"SELECT {same} FROM {quoted(landed)} AS was, main.{quoted(source.name)} AS made"
    ).fetchall()
    return {key for row in rows for key, alike in zip(kept, row, strict=True) if not alike}


def computed(connection: duckdb.DuckDBPyConnection, source: Source) -> list[str]:
    """The keys that the SQL's outermost SELECT computes instead of passing them on."""
    return [name for name, entry in _outputs(connection, source) if name in source.keys and not _is_column(entry, name)]


def renamed(connection: duckdb.DuckDBPyConnection, source: Source) -> dict[str, list[str]]:
    """The outermost SELECT's name of a key that it passes on under another name."""
    names: dict[str, list[str]] = {}
    for name, entry in _outputs(connection, source):
        for key in source.keys:
            if name != key and _is_column(entry, key):
                names.setdefault(key, []).append(name)
    return names


def _outputs(connection: duckdb.DuckDBPyConnection, source: Source) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The columns that the SQL names itself, each with what it is made of."""
    pending = [parsed(connection, source.sql)]
    while pending:
        query = pending.pop()
        sides = (query.get("left"), query.get("right"), *(query.get("children") or ()))  # of a UNION
        pending += [side for side in sides if side]
        listed = query.get("select_list", [])
        for entry in listed:
            if entry["class"] == "STAR":
                yield from ((part["key"], part["value"]) for part in entry["replace_list"])
                for part in entry.get("rename_list", []):
                    yield part["value"], {"class": "COLUMN_REF", "column_names": [part["key"]["column"]]}
            elif entry["alias"]:
                yield entry["alias"], entry
        inside = query.get("from_table") or {}
        if inside.get("type") == "SUBQUERY" and len(listed) == 1 and listed[0]["class"] == "STAR":
            pending.append(inside["subquery"]["node"])


def _is_column(entry: Mapping[str, Any], name: str) -> bool:
    return entry["class"] == "COLUMN_REF" and str(entry["column_names"][-1]).lower() == name.lower()
