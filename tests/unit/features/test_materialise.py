"""Offline rows of a data version, and the newest values online."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pandera.pandas as pa
import pytest

from headwater.aws import client
from headwater.features.service import Features
from headwater.features.store import OnlineStore
from headwater.lake.errors import NoData
from headwater.lake.service import Lake
from headwater.model import Catalog, Feature, FeatureView, Product, Source, catalog
from tests.unit.lake.world import FEATURES, LAKE, REGISTRY, World

ROWS = pa.DataFrameSchema(
    {"shop": pa.Column(str), "sold": pa.Column("datetime64[us]"), "amount": pa.Column(float, nullable=True)},
    coerce=True,
)
SALES = Source(name="sales", contract="tests.unit.features.test_materialise:ROWS", keys=("shop", "sold"))
OTHER = Source(name="other", contract="tests.unit.features.test_materialise:ROWS")
LAST = FeatureView(
    name="last_sale",
    entity=("shop",),
    sources=("sales",),
    sql="""
        SELECT shop, sold AS event_time, sold + INTERVAL 1 HOUR AS available_time, amount, amount * 2 AS twice
        FROM sales
    """,
    features=(Feature(name="amount"), Feature(name="twice")),
    ttl=timedelta(hours=6),
)
BOTH = FeatureView(
    name="both",
    entity=("shop",),
    sources=("sales", "other"),
    sql="SELECT shop, sold AS event_time, sold AS available_time, amount FROM (FROM sales UNION ALL FROM other)",
    features=(Feature(name="amount"),),
    ttl=timedelta(hours=6),
)
CATALOG: Catalog = catalog([Product(sources=(SALES, OTHER), views=(LAST, BOTH))])
FILES = {
    "1.csv": "shop,sold,amount\na,2013-01-01T00:00:00,1\nb,2013-01-01T02:00:00,2\n",
    "2.csv": "shop,sold,amount\na,2013-01-01T03:00:00,3\nb,2013-01-01T01:00:00,4\n",
    "3.csv": "shop,sold,amount\na,2013-01-01T03:00:00,5\nc,2013-01-01T09:00:00,6\n",
}
NOW = datetime(2013, 1, 1, 9, 30, tzinfo=UTC)


def features(now: datetime = NOW) -> Features:
    lake = Lake(CATALOG, bucket=LAKE, table=REGISTRY)
    return Features(CATALOG, lake, online=OnlineStore(FEATURES, pause=lambda _: None), now=lambda: now)


def land(world: World, name: str, source: str = "sales") -> None:
    Lake(CATALOG, bucket=LAKE, table=REGISTRY).ingest(world.upload(f"landing/{source}/{name}", FILES[name]))


def amounts(world: World) -> dict[str, str]:
    return {key: item["values"]["M"]["amount"]["N"] for key, item in world.online().items()}


def test_the_newest_row_of_each_entity_that_is_available_goes_online(world: World) -> None:
    for name in FILES:
        land(world, name)
    done = features().materialise("last_sale")
    # The sale of shop c is known at ten; of two rows for shop a at three the file that came last counts.
    assert amounts(world) == {"last_sale|a": "5.0", "last_sale|b": "2.0"}
    assert (done.rows, done.entities, done.written) == (5, 2, 2)
    assert features(NOW + timedelta(hours=1)).materialise("last_sale").written == 1
    assert amounts(world)["last_sale|c"] == "6.0"


def test_materialising_again_changes_nothing_and_computes_nothing(world: World) -> None:
    land(world, "1.csv")
    features().materialise("last_sale")
    assert features().materialise("last_sale").written == 0
    versions = client("s3").list_object_versions(Bucket=LAKE, Prefix="features/last_sale/")["Versions"]
    assert len(versions) == 1


def test_a_correction_of_the_same_moment_replaces_its_value_online(world: World) -> None:
    land(world, "1.csv")
    features().materialise("last_sale")
    Lake(CATALOG, bucket=LAKE, table=REGISTRY).ingest(
        world.upload("landing/sales/1.csv", FILES["1.csv"].replace(",1\n", ",100\n"))
    )
    features().materialise("last_sale")
    assert amounts(world)["last_sale|a"] == "100.0"


def test_any_order_of_files_and_materialisations_ends_in_the_same_values(world: World) -> None:
    ends = []
    for order in permutations(["1.csv", "2.csv"]):
        for key in world.online():
            client("dynamodb").delete_item(TableName=FEATURES, Key={"pk": {"S": key}})
        for name in order:
            land(world, name)
            features().materialise("last_sale")
        features().materialise("last_sale")
        ends.append(amounts(world))
    assert ends[0] == ends[1] == {"last_sale|a": "3.0", "last_sale|b": "2.0"}


def test_a_killed_materialisation_that_is_started_again_does_the_rest(world: World) -> None:
    land(world, "1.csv")
    calls = iter(range(100))

    def die(**_: object) -> None:
        if next(calls) == 1:
            raise KeyboardInterrupt

    client("dynamodb").meta.events.register("before-call.dynamodb.PutItem", die)
    with pytest.raises(KeyboardInterrupt):
        features().materialise("last_sale")
    assert features().materialise("last_sale").written == 1
    assert len(amounts(world)) == 2


def test_a_view_waits_for_all_of_its_sources(world: World) -> None:
    land(world, "1.csv")
    assert [done.view for done in features().materialise_source("sales")] == ["last_sale"]
    with pytest.raises(NoData, match="no data for source 'other'"):
        features().materialise("both")
    land(world, "2.csv", "other")
    assert [done.view for done in features().materialise_source("other")] == ["both"]


def test_another_definition_of_a_view_is_computed_anew(world: World) -> None:
    land(world, "1.csv")
    features().materialise("last_sale")
    changed = LAST.model_copy(
        update={"sql": LAST.sql.replace("amount, amount * 2", "amount + 1 AS amount, amount * 2")}
    )
    other = catalog([Product(sources=(SALES, OTHER), views=(changed,))])
    Features(other, Lake(other, bucket=LAKE, table=REGISTRY), online=OnlineStore(FEATURES)).materialise("last_sale")
    assert len(world.keys(prefix="features/last_sale/")) == 2
