"""Column lineage: which columns of which sources each column of a view, or of a curated source, is made from.

SQL is DuckDB's dialect, parsed by sqlglot, of the extras ``training`` and ``spark``. Only queries are read, never
rows. Windows (`aggregate`) are traced by the query that they stand for. A transform in Python tells nothing, and
nothing is guessed.

Two sorts of columns go into a result, as OpenLineage's facet ``columnLineage`` tells them apart: those whose values do
(DIRECT), and those that decide which rows, or which values, do (INDIRECT).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from headwater.lineage.openlineage.errors import ColumnsUnknown

if TYPE_CHECKING:
    from headwater.declare import FeatureView, Source, Window

_EXTRA = "training"


class Transformation(StrEnum):
    """The way from an input column to an output, by OpenLineage's subtypes."""

    IDENTITY = "IDENTITY"
    TRANSFORMATION = "TRANSFORMATION"
    AGGREGATION = "AGGREGATION"
    FILTER = "FILTER"
    JOIN = "JOIN"
    GROUP_BY = "GROUP_BY"
    SORT = "SORT"
    WINDOW = "WINDOW"
    CONDITIONAL = "CONDITIONAL"

    @property
    def is_direct(self) -> bool:
        """Whether the column's values go into the output; else they only decide about others."""
        return self in {Transformation.IDENTITY, Transformation.TRANSFORMATION, Transformation.AGGREGATION}

    @property
    def type(self) -> str:
        """``DIRECT`` or ``INDIRECT``."""
        return "DIRECT" if self.is_direct else "INDIRECT"


FILTER = Transformation.FILTER


class InputColumn(NamedTuple):
    """A column that goes into a result."""

    source: str
    column: str
    transformation: Transformation


class ColumnLineage(NamedTuple):
    """The columns of a result, and where they come from."""

    fields: Mapping[str, tuple[InputColumn, ...]]
    """By output column, in order. Empty for a constant, or a count of rows."""
    dataset: tuple[InputColumn, ...] = ()
    """Columns that decide about all of the result: conditions, joins, groups, the order."""


def query_columns(sql: str, tables: Mapping[str, Sequence[str]]) -> ColumnLineage:
    """The column lineage of a query.

    Parameters
    ----------
    sql : str
        One SELECT, DuckDB's dialect.
    tables : mapping of str to sequence of str
        Each table that the query may read, with its columns in order; an empty sequence where they aren't known. Then
        a name that the query also gives to a column of its own counts as that one.

    Raises
    ------
    ColumnsUnknown
        The query can't be parsed, reads another table, or takes ``*`` of a table whose columns aren't known; or
        sqlglot isn't installed.
    """
    try:
        from headwater.lineage.openlineage.tracing import trace
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "sqlglot":
            raise
        raise ColumnsUnknown(
            "column lineage parses SQL with sqlglot, which isn't installed here",
            next_steps=[f'pip install "headwater[{_EXTRA}]"'],
        ) from error
    return trace(sql, tables)


def source_columns(source: Source, landed: Iterable[str] = ()) -> ColumnLineage:
    """From the columns of a landed file to those of the curated rows, as `Source.sql` makes them.

    Parameters
    ----------
    source : Source
    landed : iterable of str
        The contract's columns, in order. Without them ``SELECT *`` can't be traced.

    Returns
    -------
    ColumnLineage
        Of the one source ``landed``. The source's keys decide about rows, since of rows alike one is kept. The
        contract, which may refuse any row for any column, is left out.

    Raises
    ------
    ColumnsUnknown
        See `query_columns`.
    """
    from headwater.declare.sources import LANDED

    try:
        found = query_columns(source.sql, {LANDED: tuple(landed)})
    except ColumnsUnknown as error:
        raise ColumnsUnknown(f"source {source.name!r}: {error.message}", next_steps=error.next_steps) from error
    return found._replace(dataset=_filtered(found.dataset, (InputColumn(LANDED, key, FILTER) for key in source.keys)))


def view_columns(
    view: FeatureView, sources: Iterable[Source] = (), landed: Mapping[str, Iterable[str]] | None = None
) -> ColumnLineage | None:
    """From the columns of the sources' curated rows to those of a view; None for a transform in Python.

    Keys and times decide about rows, since rows that are no entity's newest when they become known are left out. The
    view's checks and casts (text keys, float32 values) are no step of their own.

    Parameters
    ----------
    view : FeatureView
    sources : iterable of Source
        Those that the view reads: their times are those of a window that names none.
    landed : mapping of str to iterable of str, optional
        The contract's columns of each source, for ``SELECT *``.

    Raises
    ------
    ColumnsUnknown
        See `query_columns`; or a window has no event time, neither of its own nor of its source.
    """
    if view.transform is not None:
        return None
    declared, given = {source.name: source for source in sources}, landed or {}
    tables: dict[str, Sequence[str]] = dict.fromkeys(view.sources, ())
    for name in view.sources:
        if name in declared and name in given:
            tables[name] = tuple(source_columns(declared[name], given[name]).fields)
    try:
        found = query_columns(view.sql or _windows(view, declared.get(view.sources[0])), tables)
    except ColumnsUnknown as error:
        raise ColumnsUnknown(f"feature view {view.name!r}: {error.message}", next_steps=error.next_steps) from error
    wanted = (*view.entity, "event_time", "available_time", *(feature.name for feature in view.features))
    by_name = {name.lower(): inputs for name, inputs in found.fields.items()}
    if missing := [name for name in wanted if name.lower() not in by_name]:
        raise ColumnsUnknown(f"feature view {view.name!r}: its SQL makes no column {', '.join(missing)}")
    fields = {name: by_name[name.lower()] for name in wanted}
    naming = (one for name in (*view.entity, "event_time", "available_time") for one in fields[name])
    deciding = (one._replace(transformation=FILTER) for one in naming)
    return ColumnLineage(fields, _filtered(found.dataset, deciding))


def _filtered(before: Iterable[InputColumn], more: Iterable[InputColumn]) -> tuple[InputColumn, ...]:
    return tuple(sorted({*before, *more}))


def _windows(view: FeatureView, source: Source | None) -> str:
    """A query with the column lineage of a view's windows.

    `headwater.features.offline.aggregations` makes the same columns in several steps.
    """
    declared = view.aggregate
    event = declared.event_time if declared else None
    available = declared.available_time if declared else None
    if source is not None:
        event = event or source.event_time
        available = available or source.available_time
    if declared is None or event is None:
        raise ColumnsUnknown("its windows name no event time, and neither does their source, if it was given at all")
    happened, known = _quoted(event), _quoted(available or event)
    keys = ", ".join(map(_quoted, view.entity))
    # A row is known from the later of both times on. With decay it is also made when another one leaves its window.
    later = f"greatest({happened}, {known})"
    columns = [keys, f"{later if declared.decay else happened} AS event_time", f"{later} AS available_time"]
    over = f"OVER (PARTITION BY {keys} ORDER BY {happened}{f', {known}' if known != happened else ''})"
    for feature in view.features:
        assert feature.aggregate is not None  # noqa: S101 - FeatureView sees to it
        columns.append(f"{_aggregate(feature.aggregate)} {over} AS {_quoted(feature.name)}")
    where = f" WHERE {declared.where}" if declared.where else ""
    return f"SELECT {', '.join(columns)} FROM {_quoted(view.sources[0])}{where}"  # noqa: S608 - it is only parsed


def _aggregate(window: Window) -> str:
    of = f"({window.of})" if window.of else "*"
    match window.function:
        case "distinct":
            return f"count(DISTINCT {of})"
        case "mean":
            return f"avg({of})"
        case "last":
            return f"max({of})"
        case function:
            return f"{function}({of})"


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'
