"""Our side of the point-in-time join, and the data for both: ``python -m benchmarks.features.history_ours <step> ...``.

Steps: ``make <folder> <rows> <rows an entity> <questions>``, ``join <folder> <frame> <days> <memory limit in MB>``,
``check <folder> <days> <frame> ...``. Each prints JSON.
"""

# ruff: noqa: S608 - tables are named here
from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy as np
import pandas

from headwater.declare import Feature, FeatureView
from headwater.features.offline.entities import ENTITY_ROWS, take
from headwater.features.offline.point_in_time import historical
from headwater.features.offline.rows import compute
from headwater.lake.database import connect, write_parquet

NAMES = tuple(f"f{number}" for number in range(10))
START = 1_600_000_000_000_000
YEAR = 365 * 86_400_000_000


def view(days: int) -> FeatureView:
    """Ten features of a customer, known as they happen: Feast has no word for later."""
    return FeatureView(
        name="v",
        entity=("customer",),
        sources=("raw",),
        sql="SELECT *, event_time AS available_time FROM raw",
        features=tuple(Feature(name=name) for name in NAMES),
        ttl=f"{days}d",
    )


def make(folder: Path, rows: int, each: int, questions: int) -> dict[str, Any]:
    """Write the rows as `headwater.features` keeps them, and the questions. No entity has two rows at once.

    Rows happen at even microseconds, and questions come at odd ones: Feast answers with a row of the question's own
    moment, and Headwater doesn't.
    """
    entities = rows // each
    with TemporaryDirectory() as spill:
        connection = connect(Path(spill))
        connection.execute("SET memory_limit = '3GB'")
        values = ", ".join(f"(hash(i * 31 + {number}) % 4000) / 4.0 AS {name}" for number, name in enumerate(NAMES))
        connection.execute(
            f"CREATE VIEW raw AS SELECT 'c' || CAST(i % {entities} AS VARCHAR) AS customer, "
            f"make_timestamp(({START} + (i // {entities}) * {YEAR // each} "
            f"+ CAST(hash(i) % {YEAR // each - 1} AS BIGINT)) // 2 * 2) AS event_time, {values} "
            f"FROM range({rows}) AS t(i)"
        )
        started = time.perf_counter()
        compute(connection, view(400), "offline")
        seconds = time.perf_counter() - started
        write_parquet(connection, "SELECT * FROM offline", folder / "features.parquet", encodings=2)
        asked = (
            f"SELECT i AS row, 'c' || CAST(hash(i) % {entities + 1} AS VARCHAR) AS customer, "
            f"make_timestamp({START} + CAST(hash(i * 7 + 1) % {YEAR} AS BIGINT) // 2 * 2 + 1) AS asked_at "
            f"FROM range({questions}) AS t(i)"
        )
        write_parquet(connection, asked, folder / "questions.parquet")
    return {"seconds": seconds}


def join(folder: Path, frame: Path, days: int, megabytes: int) -> dict[str, Any]:
    """One join, timed from the call to the frame in memory, with the reading of the rows that are kept."""
    questions = pandas.read_parquet(folder / "questions.parquet")
    declared, features = view(days), [f"v.{name}" for name in NAMES]
    with TemporaryDirectory() as spill:
        connection = connect(Path(spill))
        connection.execute(f"SET memory_limit = '{megabytes}MB'")
        started, work = time.perf_counter(), time.process_time()
        # As `Features.historical` does after it fetched the file.
        asked = take(connection, questions, {"v": declared}, features)
        connection.execute(
            "CREATE TEMP VIEW offline AS SELECT * EXCLUDE (file_row_number), file_row_number AS __row "
            f"FROM read_parquet('{folder / 'features.parquet'}', file_row_number = true)"
        )
        table = historical(
            connection, ENTITY_ROWS, {"v": declared}, {"v": "offline"}, features, asked=asked
        ).to_arrow_table()
        seconds, work = time.perf_counter() - started, time.process_time() - work
        peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        count = table.num_rows
        connection.register("frame", table)
        write_parquet(connection, "SELECT * FROM frame", frame)
    return {"seconds": seconds, "work": work, "megabytes": int(peak.split()[1]) / 1024, "rows": count}


def check(folder: Path, days: int, frames: list[Path]) -> dict[str, Any]:
    """How many rows of each frame differ from a plain search, row by row, and from the first frame."""
    connection = duckdb.connect()
    rows = connection.execute(
        f"SELECT customer, epoch_us(event_time) AS moment, f0, f9 FROM '{folder / 'features.parquet'}' ORDER BY ALL"
    ).df()
    history = {name: group.to_numpy() for name, group in rows.groupby("customer")[["moment", "f0", "f9"]]}
    asked = pandas.read_parquet(folder / "questions.parquet")
    moments = asked["asked_at"].to_numpy().astype("datetime64[us]").astype(np.int64)
    expected = np.full((len(asked), 2), np.nan)
    for number in range(0, len(asked), max(1, len(asked) // 5000)):
        mine = history.get(asked["customer"].iat[number])
        for at, *values in [] if mine is None else mine:
            if at < moments[number] and moments[number] - at <= days * 86_400_000_000:
                expected[number] = values
    picked = np.arange(0, len(asked), max(1, len(asked) // 5000))
    wrong = []
    for path in frames:
        found = connection.execute(f"SELECT row, v__f0, v__f9 FROM '{path}' ORDER BY row").df()
        same = len(found) == len(asked) and np.allclose(
            found[["v__f0", "v__f9"]].to_numpy(float)[picked], expected[picked], equal_nan=True
        )
        wrong.append(not same)
    columns = ", ".join(("row", *(f"v__{name}" for name in NAMES)))
    differ = [
        connection.execute(
            f"SELECT count(*) FROM (SELECT {columns} FROM '{frames[0]}' EXCEPT SELECT {columns} FROM '{path}')"
        ).fetchall()[0][0]
        for path in frames[1:]
    ]
    return {"wrong": wrong, "differ": differ, "picked": len(picked)}


def main() -> None:
    """Do one step."""
    step, folder, *rest = sys.argv[1:]
    if step == "make":
        done = make(Path(folder), *map(int, rest))
    elif step == "join":
        done = join(Path(folder), Path(rest[0]), int(rest[1]), int(rest[2]))
    else:
        done = check(Path(folder), int(rest[0]), [Path(path) for path in rest[1:]])
    print(json.dumps(done))


if __name__ == "__main__":
    main()
