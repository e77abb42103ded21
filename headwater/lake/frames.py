"""The frame that pandera judges: each cell as it is, however it is stored.

DuckDB's own frames turn 64-bit integers with gaps, and decimals, into floats. Here integers stay integers, decimals are
`Decimal`, and a missing boolean is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC
from decimal import Decimal
from typing import Any

import duckdb
import numpy
import pandas

from headwater.lake.contract import Column
from headwater.lake.database import quoted
from headwater.lake.reading import ROW

_NULLABLE = {numpy.dtype(kind): pandas.api.types.pandas_dtype(kind.capitalize().replace("Ui", "UI"))
             for kind in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")}  # fmt: skip


def frame_of(
    connection: duckdb.DuckDBPyConnection, query: str, columns: Mapping[str, Column], types: Mapping[str, str]
) -> pandas.DataFrame:
    """The rows of a query over the table ``typed``, indexed by their row numbers.

    Parameters
    ----------
    connection : DuckDBPyConnection
    query : str
        What follows the list of columns: ``FROM typed ...``.
    columns : mapping of str to Column
        Those that are wanted, and what the contract says of them.
    types : mapping of str to str
        Their types in the table.
    """
    shown = [ROW] + [
        # Their digits would go through a float otherwise.
        f"CAST({quoted(name)} AS VARCHAR) AS {quoted(name)}" if _is_exact(types[name]) else quoted(name)
        for name in columns
    ]
    found = connection.execute(f"SELECT {', '.join(shown)} {query}").fetchnumpy()
    index = pandas.Index(numpy.asarray(found.pop(ROW)), name=ROW)
    series = {
        name: pandas.Series(_values(found[name], column, types[name]), index=index)
        for name, column in columns.items()
    }  # fmt: skip
    return pandas.DataFrame(series, index=index)


def _is_exact(kind: str) -> bool:
    return kind.startswith("DECIMAL") or kind in ("HUGEINT", "UHUGEINT")


def _values(cells: Any, column: Column, kind: str) -> Any:
    data, gaps = numpy.ma.getdata(cells), numpy.ma.getmaskarray(cells)
    dtype = column.kind.dtype
    if kind.startswith("DECIMAL"):
        return _objects(cells, Decimal)
    if kind in ("HUGEINT", "UHUGEINT"):
        return _objects(cells, int)
    if data.dtype.kind in "iu":
        if not gaps.any() and (dtype is None or isinstance(dtype, numpy.dtype)):
            return data
        native = dtype if isinstance(dtype, pandas.api.extensions.ExtensionDtype) else _NULLABLE[data.dtype]
        return pandas.arrays.IntegerArray(data.copy(), gaps.copy()).astype(native)
    if data.dtype.kind == "b":
        if not gaps.any() and not isinstance(dtype, pandas.BooleanDtype):
            return data
        return pandas.arrays.BooleanArray(data.astype(bool), gaps.copy())
    if data.dtype.kind == "f":
        if isinstance(dtype, pandas.api.extensions.ExtensionDtype):
            return pandas.arrays.FloatingArray(data.copy(), gaps.copy())
        return numpy.where(gaps, numpy.nan, data) if gaps.any() else data
    if data.dtype.kind in "mM":
        return _times(data, gaps, column, kind)
    return _others(cells, column, kind)


def _times(data: Any, gaps: Any, column: Column, kind: str) -> Any:
    values = data.copy()
    values[gaps] = numpy.array("NaT", dtype=values.dtype)
    if kind == "DATE":
        return pandas.Series(values.astype("datetime64[D]").astype(object), dtype=object).to_numpy()
    if column.kind.zone is None:
        return values
    return pandas.DatetimeIndex(values).tz_localize(UTC).tz_convert(column.kind.zone)


def _others(cells: Any, column: Column, kind: str) -> Any:
    dtype = column.kind.dtype
    values = _objects(cells, None)
    if isinstance(dtype, (pandas.StringDtype, pandas.CategoricalDtype)):
        return pandas.array(values, dtype=dtype)
    if kind == "VARCHAR" and column.kind.family != "any":
        return pandas.array(values, dtype="str")
    return values


def _objects(cells: Any, make: Callable[[Any], Any] | None) -> Any:
    values = numpy.ma.getdata(cells).astype(object)
    gaps = numpy.ma.getmaskarray(cells)
    if make is not None:
        values[~gaps] = numpy.array([*map(make, values[~gaps]), None], dtype=object)[:-1]
    values[gaps] = None
    return values
