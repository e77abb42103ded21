"""`curate` on a file of a few rows, for tests that need no stack."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import duckdb
import pandera.pandas as pa

from headwater.declare import Source
from headwater.lake.errors import FileRefused
from headwater.lake.ingestion import curate
from headwater.lake.types import Upload

CONTRACTS = ModuleType("tests.unit.lake.contracts_of_tests")
sys.modules[CONTRACTS.__name__] = CONTRACTS


@dataclass(frozen=True)
class Curated:
    """What became of a file."""

    rows: list[tuple[Any, ...]]
    types: dict[str, str]
    rejected: dict[int, list[str]]
    """Reasons by row number, repeated rows' included."""
    refusal: str = ""

    def column(self, name: str) -> list[Any]:
        """The cells of a curated column."""
        place = list(self.types).index(name)
        return [row[place] for row in self.rows]


def curated(contract: Any, name: str, body: str | bytes, **declared: Any) -> Curated:
    """Curate a file called ``name``; rows may be rejected without refusing it."""
    CONTRACTS.CONTRACT = contract  # type: ignore[attr-defined]
    given = {"name": "things", "contract": f"{CONTRACTS.__name__}:CONTRACT", "max_rejected": 1.0, **declared}
    source = Source(**given)
    with TemporaryDirectory() as scratch, duckdb.connect() as database:
        folder = Path(scratch)
        path = folder / "landed"
        path.write_bytes(body.encode() if isinstance(body, str) else body)
        upload = Upload(
            bucket="lake",
            key=f"landing/things/{name}",
            version_id="v1",
            size=path.stat().st_size,
            sequencer="01",
        )
        try:
            done = curate(source, upload, path, folder)
        except FileRefused as error:
            return Curated([], {}, {}, error.message)
        rejected = {}
        if done.quarantine:
            query = "SELECT row_number, reasons FROM read_parquet(?)"
            rejected = dict(database.execute(query, [str(done.quarantine)]).fetchall())
        assert len(rejected) == done.rows_rejected + done.rows_repeated
        if done.refusal:
            assert done.rows_rejected == done.rows_in
            return Curated([], {}, rejected, done.refusal)
        assert done.rows_in == done.rows_out + done.rows_rejected + done.rows_repeated
        found = database.read_parquet(str(done.curated))
        types = dict(zip(found.columns, map(str, found.types), strict=True))
        return Curated(found.fetchall(), types, rejected)


def column(dtype: Any, *checks: Any, **said: Any) -> Any:
    """A contract of one column ``x`` that may be missing."""
    kept = pa.Column(dtype, list(checks), **{"nullable": True, **said})
    return pa.DataFrameSchema({"x": kept}, coerce=True, strict="filter")


ANYTHING = pa.DataFrameSchema({}, strict=False)
"""A contract that names no column."""
