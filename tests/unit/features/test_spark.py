"""The same views on Spark give the same rows and the same frame, to the last bit.

Spark lives in an environment of its own (``make setup`` makes it), so a process there runs the jobs: what is tested is
what would be submitted to a cluster.
"""

# ruff: noqa: S608, DTZ001 - tables are named by the tests; offline times are UTC without a zone
from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from headwater.declare import Feature, FeatureView
from headwater.features.offline.engine import DuckDB
from headwater.features.offline.point_in_time import historical
from headwater.features.offline.rows import add_streamed, compute
from headwater.features.stream.lines import ENTITY, marks
from headwater.features.stream.lines import FEATURES as NAMED
from tests.unit.features.tables import SELLERS
from tests.unit.features.test_aggregations import windowed

ROOT = Path(__file__).resolve().parents[3]
PYTHON = Path(sys.prefix) / "spark" / "bin" / "python"
START = datetime(2013, 3, 1)
KEYS = ("shop", "till", "number")
# Much is compiled once and little runs long.
JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
SETTINGS = {
    "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.sql.shuffle.partitions": "1",
    "spark.sql.adaptive.enabled": "false", "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}  # fmt: skip
SMALL = ["--master local[1]", "--driver-memory 700m", *(f"--conf {name}={value}" for name, value in SETTINGS.items())]

pytestmark = pytest.mark.skipif(
    shutil.which("java") is None and "JAVA_HOME" not in os.environ,
    reason="Spark needs Java 17: no java on this machine",
)

WRITTEN = FeatureView(
    name="written",
    entity=("till",),
    sources=("sales",),
    sql="""
        SELECT CAST(till AS DOUBLE) AS till, sold AS event_time, told + to_minutes(1) AS available_time, amount,
            sum(amount) OVER (PARTITION BY till ORDER BY sold, number ROWS BETWEEN 3 PRECEDING AND CURRENT ROW) AS few,
            count(DISTINCT shop) OVER (PARTITION BY till) AS shops, good, seller
        FROM sales
        WHERE epoch_us(sold) % 7 <> 0 AND isfinite(amount) AND NOT contains(coalesce(seller, ''), chr(0))
        QUALIFY row_number() OVER (PARTITION BY till, sold ORDER BY number DESC) <= 2
    """,
    features=(
        *(Feature(name=name) for name in ("amount", "few", "shops", "good")),
        Feature(
            name="seller", kind="category", values=tuple(seller for seller in SELLERS if seller and "\0" not in seller)
        ),
    ),
    ttl="9m",
)
VIEWS = (WRITTEN, windowed(), windowed(decay=True).model_copy(update={"name": "decaying"}))
FEATURES = tuple(f"{view.name}.{feature.name}" for view in VIEWS for feature in view.features)


def made(seed: int, count: int, late: int) -> list[tuple[Any, ...]]:
    """Sales with ties, gaps, late news, corrections and repeats; sums of quarters are exact in any order."""
    dice = random.Random(seed)
    rows = []
    for number in range(count):
        sold = START + timedelta(minutes=dice.randrange(120))
        rows.append(
            (
                dice.choice(["a", "b", "", None]),
                dice.choice([1, 2, None]),
                number,
                sold,
                sold + timedelta(minutes=dice.choice([0, 0, late])),
                dice.choice([None, 0.25, -3.5, 1e6, float("nan"), float("inf"), dice.randrange(400) / 4]),
                dice.choice([True, True, False, None]),
                dice.choice(SELLERS),
            )
        )
    return rows


def keep(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> str:
    connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    return str(path)


@pytest.fixture(scope="module")
def here() -> duckdb.DuckDBPyConnection:
    """Sales, one of which a second file corrects, and questions."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(
        "CREATE TABLE first (shop VARCHAR, till INTEGER, number INTEGER, sold TIMESTAMP, told TIMESTAMP, "
        "amount DOUBLE, good BOOLEAN, seller VARCHAR)"
    )
    connection.executemany("INSERT INTO first VALUES (?, ?, ?, ?, ?, ?, ?, ?)", made(7, 300, 11))
    connection.execute(
        "CREATE TABLE second AS SELECT * REPLACE (amount + 1 AS amount) FROM first WHERE number % 10 = 3"
    )
    connection.execute(
        "CREATE TABLE sales AS SELECT * FROM first ANTI JOIN second USING (number) UNION ALL FROM second"
    )
    dice = random.Random(3)
    asked = [(dice.choice(["a", "b", "x"]), dice.choice([1, 2]), dice.randrange(140)) for _ in range(400)]
    connection.execute("CREATE TABLE questions (shop VARCHAR, till INTEGER, asked_at TIMESTAMPTZ)")
    connection.executemany(
        "INSERT INTO questions VALUES (?, ?, TIMESTAMPTZ '2013-03-01 00:00:00+00' + to_minutes(?))", asked
    )
    # Some at moments of their own, some at those of sales; some of another definition.
    entity, named = marks(WRITTEN)
    connection.execute(
        "CREATE TABLE streamed AS SELECT CAST(till AS VARCHAR) AS till, "
        "sold + to_minutes(number % 2) AS event_time, told + to_minutes(1) AS available_time, "
        "number + 0.5 AS amount, CAST(NULL AS DOUBLE) AS few, 9.0 AS shops, 1.0 AS good, 'é' AS seller, "
        f"'{entity}' AS {ENTITY}, CASE WHEN number % 5 = 0 THEN ',amount,' ELSE '{named}' END AS {NAMED} FROM first "
        "WHERE number % 3 = 0"
    )
    return connection


@pytest.fixture(scope="module")
def there(here: duckdb.DuckDBPyConnection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one Spark process left of two jobs: one that goes through, one whose view is wrong."""
    assert PYTHON.is_file(), f"no Spark at {PYTHON}: `make setup` installs it"
    folder = tmp_path_factory.mktemp("spark")
    from headwater.features.spark import jobs

    files = jobs.Files(
        paths=tuple(keep(here, f"FROM {name}", folder / f"{name}.parquet") for name in ("first", "second")),
        keys=("number",),
    )
    job = jobs.Job(
        sources={"sales": files},
        streamed={"written": jobs.Files(paths=(keep(here, "FROM streamed", folder / "streamed.parquet"),))},
        views=VIEWS,
        offline=str(folder / "offline"),
        questions=keep(here, "FROM questions", folder / "questions.parquet"),
        features=FEATURES,
        frame=str(folder / "frame"),
    )
    short = Feature(name="seller", kind="category", max_length=1000)
    checked = WRITTEN.model_copy(update={"features": (Feature(name="amount", maximum=5), short)})
    wrong = job.model_copy(update={"views": (checked,), "questions": None})
    paths = [folder / "job.json", folder / "wrong.json"]
    for path, written in zip(paths, (job, wrong), strict=True):
        path.write_text(written.model_dump_json())
    run(paths, folder)
    return folder


def run(jobs: Sequence[Path], folder: Path) -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SPARK"))},
        "PYTHONPATH": str(ROOT),
        "PYSPARK_PYTHON": str(PYTHON),
        "PYSPARK_SUBMIT_ARGS": " ".join([*SMALL, "pyspark-shell"]),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "JAVA_TOOL_OPTIONS": JAVA,
    }
    done = subprocess.run(
        [PYTHON, "-m", "headwater.features.spark.engine", *jobs],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    (folder / "stderr").write_text(done.stderr)
    assert "InvalidView" in done.stderr, done.stderr[-3000:]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_a_view_s_rows_are_the_same_on_both(here: duckdb.DuckDBPyConnection, there: Path, view: FeatureView) -> None:
    assert compute(here, view, f"offline_{view.name}") > 40
    rows = f"SELECT * FROM read_parquet('{there}/offline/{view.name}/*.parquet')"
    assert here.execute(f"DESCRIBE {rows}").fetchall() == here.execute(f"DESCRIBE offline_{view.name}").fetchall()
    # In one order, too.
    assert here.execute(rows).fetchall() == here.execute(f"FROM offline_{view.name}").fetchall()


def test_the_frame_is_the_same_on_both_in_order(here: duckdb.DuckDBPyConnection, there: Path) -> None:
    for view in VIEWS:
        compute(here, view, f"offline_{view.name}")
    add_streamed(DuckDB(here), WRITTEN, "offline_written", "streamed", "with_streamed")
    views = {view.name: view for view in VIEWS}
    offline = {**{name: f"offline_{name}" for name in views}, "written": "with_streamed"}
    ours = historical(here, "questions", views, offline, FEATURES)
    columns = ours.columns
    expected = ours.project("* REPLACE (timezone('UTC', asked_at) AS asked_at)").fetchall()
    (part,) = (there / "frame").glob("*.parquet")
    theirs = here.sql(f"SELECT * REPLACE (timezone('UTC', asked_at) AS asked_at) FROM read_parquet('{part}')")
    assert theirs.columns == columns
    assert theirs.fetchall() == expected
    assert sum(value is not None for row in expected for value in row[3:]) > 3000
    assert sum(value == 9 for row in expected for value in row) > 50


def test_a_check_that_fails_on_spark_says_what_it_says_on_duckdb(there: Path) -> None:
    lines = (there / "stderr").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("headwater.features.errors.InvalidView")]
    assert "feature view 'written': feature 'amount'" in line
    assert "rows are outside up to 5, such as" in line
    assert "rows are not text of at most 1,000 characters, such as 'xxx" in line
