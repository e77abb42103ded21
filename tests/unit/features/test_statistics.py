"""What is kept of each materialisation: the statistics of its rows beside them, and that it was done."""

from __future__ import annotations

import math
import statistics
from datetime import UTC, datetime, timedelta

import duckdb
import numpy
import pytest
from botocore.exceptions import HTTPClientError
from hypothesis import given
from hypothesis import strategies as st

from headwater.declare import Feature, FeatureView
from headwater.features.offline.counting import describe
from headwater.features.offline.statistics import SHARES, read_statistics
from headwater.features.online.materialising import MaterialiseOptions
from headwater.features.online.records import Materialisations
from headwater.lake.store import Objects
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.features.test_materialise import LAST, NOW, features, land
from tests.unit.lake.world import LAKE, REGISTRY, World

VIEW = FeatureView(
    name="levels",
    entity=("place",),
    sources=("readings",),
    sql="FROM readings",
    features=(Feature(name="level"),),
    ttl="1d",
)
VALUES = st.lists(st.none() | st.floats(-1e6, 1e6, width=32), max_size=60)


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1})


@given(values=VALUES)
def test_statistics_are_those_that_plain_python_counts(
    connection: duckdb.DuckDBPyConnection, values: list[float | None]
) -> None:
    connection.execute("CREATE OR REPLACE TEMP TABLE rows (place VARCHAR, event_time TIMESTAMP, level DOUBLE)")
    start = datetime(2013, 1, 1, tzinfo=UTC)
    if values:
        connection.executemany(
            "INSERT INTO rows VALUES (?, ?, ?)",
            [
                (f"p{n % 7}", (start + timedelta(minutes=n)).replace(tzinfo=None), value)
                for n, value in enumerate(values)
            ],
        )
    seen = describe(connection, VIEW, "rows", "d")
    known = [value for value in values if value is not None]
    level = seen.features["level"]
    assert (seen.rows, seen.entities) == (len(values), min(7, len(values)))
    assert seen.first_event == (start if values else None)
    assert level.missing == pytest.approx(1 - len(known) / len(values) if values else 0)
    assert sum(level.histogram) == len(known)
    if not known:
        assert (level.mean, level.deviation, level.minimum, level.quantiles) == (None, None, None, ())
        return
    assert level.mean == pytest.approx(math.fsum(known) / len(known), abs=1e-6)
    assert level.quantiles == pytest.approx(tuple(numpy.quantile(known, SHARES)), abs=1e-6)
    assert (level.minimum, level.maximum) == (min(known), max(known))
    assert level.distinct == pytest.approx(len(set(known)), rel=0.3, abs=2)
    expected = statistics.stdev(known) if len(known) > 1 else None
    assert level.deviation == (expected if expected is None else pytest.approx(expected, rel=1e-6, abs=1e-6))


def test_a_materialisation_leaves_its_statistics_with_its_rows_and_a_record(world: World) -> None:
    land(world, "1.csv")
    features().materialise("last_sale")
    records = Materialisations(Table(REGISTRY, CLIENTS))
    (first,) = records.all("last_sale")
    assert (first.version, first.rows, first.entities, first.written, first.at) == (LAST.version, 2, 2, 2, NOW)
    assert first.newest_event == datetime(2013, 1, 1, 2, tzinfo=UTC)
    seen = read_statistics(Objects(LAKE, CLIENTS), "last_sale", first.version, first.data_version)
    assert seen is not None
    assert (seen.rows, seen.features["amount"].mean, seen.features["twice"].maximum) == (2, 1.5, 4.0)
    rows, kept = sorted(world.keys(prefix="features/"))
    assert rows.startswith(kept.replace("/statistics/", "/").removesuffix(".json"))


def test_a_second_run_moves_the_record_and_one_on_other_data_makes_another(world: World) -> None:
    land(world, "1.csv")
    later = NOW + timedelta(hours=1)
    for now in (NOW, later):
        features(now).materialise("last_sale")
    records = Materialisations(Table(REGISTRY, CLIENTS))
    (only,) = records.all("last_sale")
    assert (only.at, only.last_at, only.written) == (NOW, later, 2)
    land(world, "2.csv")
    features(later).materialise("last_sale")
    assert [entry.rows for entry in records.all("last_sale")] == [2, 4]
    assert records.newest("last_sale", LAST.version) == records.all("last_sale")[-1]


def test_rows_that_were_kept_without_statistics_get_them(world: World) -> None:
    land(world, "1.csv")
    features().materialise("last_sale")
    kept = next(key for key in world.keys(prefix="features/") if key.endswith(".json"))
    CLIENTS("s3").delete_object(Bucket=LAKE, Key=kept)
    features().materialise("last_sale", options=MaterialiseOptions(full=True))
    assert kept in world.keys(prefix="features/")
    assert len(CLIENTS("s3").list_object_versions(Bucket=LAKE, Prefix=kept)["Versions"]) == 2


def test_a_record_whose_answer_was_lost_is_written_once(world: World) -> None:
    land(world, "1.csv")
    lost = iter([True])

    def lose(params: dict[str, bytes], **_: object) -> None:
        if b"MATERIALISATION#" in params["body"] and next(lost, False):
            raise HTTPClientError(error="the connection was closed")

    CLIENTS("dynamodb").meta.events.register("before-call.dynamodb.TransactWriteItems", lose)
    features().materialise("last_sale")
    assert next(lost, False) is False
    assert len(Materialisations(Table(REGISTRY, CLIENTS)).all("last_sale")) == 1
