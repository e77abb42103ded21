"""How problems are worded."""

from __future__ import annotations

from collections.abc import Iterable


def said(error: BaseException) -> str:
    """An exception in one line; DuckDB draws an arrow under the query, and the first lines say what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(line for line in lines if not line.startswith(("LINE ", "^"))) or type(error).__name__


def alike(missing: Iterable[str], present: Iterable[str]) -> str:
    """What to add where names are missing: those that there are and that differ only by case."""
    folded = {name.lower(): name for name in present}
    pairs = [(name, folded[name.lower()]) for name in missing if name.lower() in folded]
    if not pairs:
        return ""
    return f" (it has {', '.join(has for _, has in pairs)}: names are compared letter by letter)"


def lacking(needed: Iterable[str], columns: Iterable[str]) -> str:
    """What to say where a query doesn't yield the columns that are needed; empty if it does."""
    columns = list(columns)
    missing = [name for name in dict.fromkeys(needed) if name not in columns]
    if not missing:
        return ""
    folded = {name.lower(): name for name in columns}
    renames = [f"{folded[name.lower()]} AS {name}" for name in missing if name.lower() in folded]
    remedy = f". Names that differ by case are others here: write {', '.join(renames)}" if renames else ""
    return f"sql yields no {', '.join(missing)}; it yields {', '.join(columns)}{remedy}"
