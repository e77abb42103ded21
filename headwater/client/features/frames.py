"""Tables as callers have them: a pandas frame, an Arrow table or a list of mappings; an answer is of the same kind."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

from headwater.client.errors import BadFrame

Table = Any
"""A ``pandas.DataFrame``, a ``pyarrow.Table`` or a sequence of mappings."""
Frame = TypeVar("Frame")
"""The type of the table that a caller gave, which the answer has too."""
Columns = Mapping[str, Sequence[Any]]
_ROWS = 1000
"""Rows of a table that are Python objects at the same time."""


def kind_of(frame: Table) -> str:
    """``pandas``, ``pyarrow`` or ``mappings``; neither library is imported for it.

    Raises
    ------
    BadFrame
        The value is none of these.
    """
    library = type(frame).__module__.partition(".")[0]
    if library == "pandas" and hasattr(frame, "columns"):
        return "pandas"
    if library == "pyarrow" and hasattr(frame, "column_names"):
        return "pyarrow"
    if isinstance(frame, Sequence) and all(isinstance(row, Mapping) for row in frame):
        return "mappings"
    raise BadFrame(
        f"{type(frame).__module__}.{type(frame).__name__} is no table: give a pandas DataFrame, an Arrow table or a "
        "list of mappings"
    )


def columns_of(frame: Table, names: Sequence[str]) -> dict[str, list[Any]]:
    """Columns as lists of plain Python values, None where one is missing.

    Raises
    ------
    BadFrame
        The table lacks a column.
    """
    kind = kind_of(frame)
    if kind == "mappings" and not frame:
        return {name: [] for name in names}
    present = _names(frame, kind)
    if lacking := [name for name in names if name not in present]:
        raise BadFrame(
            f"the table lacks {', '.join(lacking)}; its columns are {', '.join(map(str, present)) or 'none'}"
        )
    if kind == "mappings":
        return {name: [row.get(name) for row in frame] for name in names}
    if kind == "pyarrow":
        return {name: frame.column(name).to_pylist() for name in names}
    return {
        name: [None if gone else value for value, gone in zip(frame[name].tolist(), frame[name].isna(), strict=True)]
        for name in names
    }


def rows_of(frame: Table) -> Iterator[Mapping[str, Any]]:
    """A table's rows, one after the other, with plain Python values; so are those of an iterator of mappings.

    Raises
    ------
    BadFrame
        The value is no table.
    """
    if isinstance(frame, Iterator):
        for number, row in enumerate(frame):
            if not isinstance(row, Mapping):
                raise BadFrame(f"row {number} is {type(row).__name__}, expected a mapping of columns to values")
            yield row
        return
    kind = kind_of(frame)
    if kind == "mappings":
        yield from frame
    elif kind == "pyarrow":
        for batch in frame.to_batches(max_chunksize=_ROWS):
            yield from batch.to_pylist()
    else:
        names = _names(frame, kind)
        for start in range(0, len(frame), _ROWS):
            columns = columns_of(frame.iloc[start : start + _ROWS], names)
            yield from (dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True))


def with_columns(frame: Frame, added: Columns, *, texts: Collection[str] = ()) -> Frame:
    """A table like ``frame`` with ``added`` after its own columns; ``frame`` itself stays as it is.

    Parameters
    ----------
    frame : pandas.DataFrame, pyarrow.Table or sequence of mapping
    added : mapping
        Values by column, one for each row: numbers, or None where one is missing.
    texts : collection of str
        The columns of ``added`` that hold text.
    """
    return cast(Frame, _WITH[kind_of(frame)](frame, added, texts))


def _mappings_with(rows: Table, added: Columns, _: Collection[str]) -> Table:
    return [{**row, **{name: values[place] for name, values in added.items()}} for place, row in enumerate(rows)]


def _arrow_with(table: Table, added: Columns, texts: Collection[str]) -> Table:
    import pyarrow

    for name, values in added.items():
        column = pyarrow.array(values, type=pyarrow.string() if name in texts else pyarrow.float64())
        table = table.append_column(name, column)
    return table


def _pandas_with(frame: Table, added: Columns, texts: Collection[str]) -> Table:
    import pandas

    columns = {
        name: pandas.Series(values, index=frame.index, dtype="str" if name in texts else "float64")
        for name, values in added.items()
    }
    return pandas.concat([frame, pandas.DataFrame(columns, index=frame.index)], axis="columns")


_WITH = {"mappings": _mappings_with, "pyarrow": _arrow_with, "pandas": _pandas_with}


def _names(frame: Table, kind: str) -> list[Any]:
    if kind == "mappings":
        return list(dict.fromkeys(name for row in frame for name in row))
    return list(frame.columns) if kind == "pandas" else list(frame.column_names)
