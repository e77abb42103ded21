"""The flights product on a slice of real flights."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pandas
import pytest

from headwater.declare import Catalog, load_catalog
from headwater.demo.flights import month_files
from headwater.features.inputs import encode
from headwater.lake.service import Lake
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.training.prepare import Preparation, make_examples
from pipelines.flights.product import FLIGHT_DELAY
from pipelines.flights.train import fit
from tests.unit.lake.world import ARTIFACTS, LAKE, REGISTRY, World


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    made = month_files(tmp_path_factory.mktemp("csv"), [1], every=10)
    return [file.path for file in made]


def landed(world: World, files: list[Path]) -> tuple[Catalog, Lake]:
    catalog = load_catalog()
    lake = Lake(catalog, CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS))
    for path in files:
        done = lake.ingest(world.upload(f"landing/{path.name.split('-')[0]}/{path.name}", path.read_bytes()))
        assert (done.rows_rejected, done.rows_repeated) == (0, 0)
    return catalog, lake


def test_every_name_that_the_product_uses_exists() -> None:
    catalog = load_catalog()
    assert catalog.model("flight_delay") == FLIGHT_DELAY
    assert [view.name for view in catalog.views_of("weather")] == ["origin_weather"]


def test_a_landing_is_known_only_after_the_flight_was_on_the_ground(world: World, files: list[Path]) -> None:
    _, lake = landed(world, files)
    with lake.tables(lake.pin(["flights"])) as tables:
        early = tables.execute(
            "SELECT count(*) FILTER (landed_at < sched_dep + to_minutes(CAST(dep_delay + air_time AS BIGINT))), "
            "count(*) FILTER (landed_at IS NULL AND arr_delay IS NOT NULL), count(*) FROM flights"
        ).fetchone()
        assert early is not None
        assert early[:2] == (0, 0)
        assert early[2] > 2500


def test_features_are_what_one_counts_by_hand(world: World, files: list[Path]) -> None:
    catalog, lake = landed(world, files)
    preparation = Preparation.over(
        catalog, CLIENTS, lake_bucket=LAKE, registry_table=REGISTRY, artifacts_bucket=ARTIFACTS
    )
    from headwater.features.offline.point_in_time import historical
    from headwater.features.service import Features

    version = lake.pin(["flights", "weather"])
    assert preparation.prepare("flight_delay", "run-1").rows > 2500
    with lake.tables(version) as tables:
        make_examples(tables, FLIGHT_DELAY)
        store = Features(catalog, lake)
        offline = {name: store.ensure(tables, catalog.view(name), version) for name in FLIGHT_DELAY.views}
        rows = historical(tables, "__examples", catalog.views, offline, FLIGHT_DELAY.features).df()
        flights = tables.execute("SELECT * FROM flights WHERE arr_delay IS NOT NULL").df()
    for _, row in rows.iloc[500::400].iterrows():
        past = flights[(flights["carrier"] == row["carrier"]) & (flights["landed_at"] <= row["asked_at"])]
        newest = past["landed_at"].max()
        if past.empty or row["asked_at"] - newest > timedelta(hours=24):
            assert pandas.isna(row["carrier_delays__flights_6h"])
            continue
        window = past[past["landed_at"] >= newest - timedelta(hours=6)]
        assert row["carrier_delays__flights_6h"] == len(window)
        assert row["carrier_delays__mean_delay_6h"] == pytest.approx(window["arr_delay"].mean(), rel=1e-6)
        assert row["carrier_delays__late_rate_6h"] == pytest.approx((window["arr_delay"] > 15).mean(), rel=1e-6)


def test_a_flight_that_nothing_is_known_of_is_answered_with_a_probability() -> None:
    instance = {"carrier": "ZZ", "origin": "JFK", "dest": "XXX", "distance": 187, "sched_dep": "2013-05-01T10:30:00Z"}
    columns = encode(FLIGHT_DELAY.inputs, instance)
    frame = pandas.DataFrame([columns] * 60).reindex(columns=list(FLIGHT_DELAY.columns))
    numbers = [name for name in FLIGHT_DELAY.columns if name not in FLIGHT_DELAY.categories]
    frame[numbers] = frame[numbers].astype("float64")
    known = frame.assign(carrier="UA", **{name: [float(row) for row in range(60)] for name in numbers})
    model = fit({}, known, pandas.Series([0, 1] * 30))
    assert 0 <= model.predict_proba(frame.iloc[:1])[0, 1] <= 1
