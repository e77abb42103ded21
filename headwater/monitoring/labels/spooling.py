"""Predictions of a window on this disk: read again for each point of the delay curve without asking the log."""

# ruff: noqa: S608 - quoted paths of our own
from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas

from headwater.lake.database import literal
from headwater.monitoring.labels.settling import Array
from headwater.monitoring.labels.written import microseconds
from headwater.monitoring.log.scratch import scratch


def spool(frame: pandas.DataFrame, first: Array, path: Path) -> None:
    """Write what labels of the lake are joined by, and when each prediction's first written label was received."""
    kept = pandas.DataFrame(
        {
            "version": frame["version"].to_numpy(), "as_of": microseconds(frame["as_of"]), "first": first,
            "inputs": frame["inputs"].array,
        }
    )  # fmt: skip
    with scratch() as (connection, _):
        connection.register("__kept", kept)
        connection.execute(f"COPY __kept TO {literal(str(path))} (FORMAT parquet)")


def unspooled(path: Path) -> tuple[pandas.DataFrame, Array]:
    """Read what `spool` wrote."""
    with scratch() as (connection, _):
        found: dict[str, Any] = connection.execute(f"SELECT * FROM read_parquet({literal(str(path))})").fetchnumpy()
    frame = pandas.DataFrame({"version": found["version"], "inputs": pandas.array(found["inputs"].astype(object))})
    frame["as_of"] = pandas.DatetimeIndex(found["as_of"].astype("datetime64[us]")).tz_localize("UTC")
    first: Array = found["first"]
    return frame, first
