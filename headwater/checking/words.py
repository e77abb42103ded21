"""How problems are worded."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def said(error: BaseException) -> str:
    """An exception in one line; DuckDB draws an arrow under the query, and the first lines say what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(line for line in lines if not line.startswith(("LINE ", "^"))) or type(error).__name__


def alike(missing: Iterable[str], present: Iterable[str]) -> str:
    """An addition to messages about missing names: the existing names that differ only by case."""
    folded = {name.lower(): name for name in present}
    pairs = [(name, folded[name.lower()]) for name in missing if name.lower() in folded]
    if not pairs:
        return ""
    return f" (it has {', '.join(has for _, has in pairs)}: names are compared letter by letter)"


def lacking(needed: Iterable[str], columns: Iterable[str]) -> str:
    """The message about columns that a query doesn't yield; empty if it yields all."""
    columns = list(columns)
    missing = [name for name in dict.fromkeys(needed) if name not in columns]
    if not missing:
        return ""
    folded = {name.lower(): name for name in columns}
    renames = [f"{folded[name.lower()]} AS {name}" for name in missing if name.lower() in folded]
    near = [f"{found[0]} for {name}" for name in missing if (found := get_close_matches(name, columns, n=1))]
    remedy = f"; is it {', '.join(near)}?" if near else ""
    remedy = f". Names that differ by case are others here: write {', '.join(renames)}" if renames else remedy
    return f"sql yields no {', '.join(missing)}; it yields {', '.join(columns)}{remedy}"
