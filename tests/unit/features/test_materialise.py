"""Offline rows of a data version, and the newest values online."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from datetime import UTC, datetime, timedelta
from itertools import count, permutations
from threading import Thread
from typing import Any

import pandera.pandas as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater.declare import Catalog, Feature, FeatureView, Product, Source, catalog
from headwater.features.offline.point_in_time import historical
from headwater.features.online.materialising import Materialised, MaterialiseOptions
from headwater.features.online.progress import ProgressOf, Run
from headwater.features.online.reading import microseconds, plan, read_online
from headwater.features.online.store import OnlineStore
from headwater.features.service import Features
from headwater.lake.errors import NoData
from headwater.lake.service import Lake
from headwater.lake.types import DataVersion
from headwater.registry.types import PackageFeature
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.lake.world import FEATURES, LAKE, REGISTRY, World, new_world

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
    ttl="6h",
)
BOTH = FeatureView(
    name="both",
    entity=("shop",),
    sources=("sales", "other"),
    sql="SELECT shop, sold AS event_time, sold AS available_time, amount FROM (FROM sales UNION ALL FROM other)",
    features=(Feature(name="amount"),),
    ttl="6h",
)
CATALOG: Catalog = catalog([Product(sources=(SALES, OTHER), views=(LAST, BOTH))])
FILES = {
    "1.csv": "shop,sold,amount\na,2013-01-01T00:00:00,1\nb,2013-01-01T02:00:00,2\n",
    "2.csv": "shop,sold,amount\na,2013-01-01T03:00:00,3\nb,2013-01-01T01:00:00,4\n",
    "3.csv": "shop,sold,amount\na,2013-01-01T03:00:00,5\nc,2013-01-01T09:00:00,6\n",
}
NOW = datetime(2013, 1, 1, 9, 30, tzinfo=UTC)


def features(now: datetime = NOW) -> Features:
    lake = Lake(CATALOG, CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS))
    return Features(CATALOG, lake, online=OnlineStore(FEATURES, CLIENTS, pause=lambda _: None), now=lambda: now)


def land(world: World, name: str, source: str = "sales") -> None:
    Lake(CATALOG, CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS)).ingest(
        world.upload(f"landing/{source}/{name}", FILES[name])
    )


def amounts(world: World, view: FeatureView = LAST) -> dict[str, float | None]:
    return {key.removeprefix("shop|"): row["amount"] for key, row in world.rows_online(view).items()}


def test_the_newest_row_of_each_entity_that_is_available_goes_online(world: World) -> None:
    for name in FILES:
        land(world, name)
    done = features().materialise("last_sale")
    # The sale of shop c is known at ten; of two rows for shop a at three the file that came last counts.
    assert amounts(world) == {"a": 5.0, "b": 2.0}
    assert (done.rows, done.entities, done.written) == (5, 2, 2)
    assert features(NOW + timedelta(hours=1)).materialise("last_sale").written == 1
    assert amounts(world)["c"] == 6.0


def test_materialising_again_changes_nothing_and_computes_nothing(world: World) -> None:
    land(world, "1.csv")
    features().materialise("last_sale")
    assert features().materialise("last_sale").written == 0
    versions = CLIENTS("s3").list_object_versions(Bucket=LAKE, Prefix="features/last_sale/")["Versions"]
    assert len(versions) == 1


def test_a_correction_of_the_same_moment_replaces_its_value_online(world: World) -> None:
    land(world, "1.csv")
    features().materialise("last_sale")
    Lake(CATALOG, CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS)).ingest(
        world.upload("landing/sales/1.csv", FILES["1.csv"].replace(",1\n", ",100\n"))
    )
    features().materialise("last_sale")
    assert amounts(world)["a"] == 100.0


def test_any_order_of_files_and_materialisations_ends_in_the_same_values(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = []
    for order in permutations(["1.csv", "2.csv"]):
        with new_world(monkeypatch) as world:
            for name in order:
                land(world, name)
                features().materialise("last_sale")
            ends.append(amounts(world))
    assert ends[0] == ends[1] == {"a": 3.0, "b": 2.0}


def test_only_what_changed_is_looked_at_and_nothing_at_all_if_nothing_did(world: World) -> None:
    land(world, "1.csv")
    assert features().materialise("last_sale").written == 2
    land(world, "2.csv")
    asked = watch("BatchGetItem")
    told: list[tuple[str, int, int]] = []
    done = features().materialise("last_sale", options=MaterialiseOptions(progress=lambda *now: told.append(now)))
    assert (done.entities, done.written, told) == (2, 1, [("last_sale", 1, 1)])
    assert len(asked) == 1
    objects = watch("GetObject", "s3")
    again = features().materialise("last_sale")
    assert (again.rows, again.entities, again.written, len(asked)) == (done.rows, 2, 0, 1)
    # Only the commit was looked at, no rows.
    assert all("/versions/" in request.url for request in objects)


def test_a_row_comes_online_when_it_becomes_known_though_the_data_are_the_same(world: World) -> None:
    land(world, "3.csv")
    assert features().materialise("last_sale").written == 1
    # Shop c's sale at nine is told at ten, and known just after.
    assert features(NOW + timedelta(minutes=30)).materialise("last_sale").written == 0
    assert features(NOW + timedelta(minutes=30, microseconds=1)).materialise("last_sale").written == 1
    assert amounts(world) == {"a": 5.0, "c": 6.0}


def test_a_table_that_lost_items_is_filled_again_by_a_full_run(world: World) -> None:
    land(world, "1.csv")
    features().materialise("last_sale")
    before = world.online()
    CLIENTS("dynamodb").delete_item(TableName=FEATURES, Key={"pk": {"S": "shop|a"}})
    assert features().materialise("last_sale").written == 0
    assert features().materialise("last_sale", options=MaterialiseOptions(full=True)).written == 1
    assert world.online() == before


def test_killed_at_any_call_and_started_again_it_ends_as_if_nothing_had_been(world: World) -> None:
    land(world, "1.csv")
    features().materialise("last_sale")
    land(world, "2.csv")
    before = {table: CLIENTS("dynamodb").scan(TableName=table)["Items"] for table in (REGISTRY, FEATURES)}
    features().materialise("last_sale")
    expected, calls, dies = world.online(), count(), [-1]

    def die(**_: object) -> None:
        if next(calls) == dies[0]:
            raise KeyboardInterrupt

    CLIENTS("dynamodb").meta.events.register("before-send.dynamodb", die)
    for call in count():
        restore(before)
        calls, dies[0] = count(), call
        try:
            features().materialise("last_sale")
        except KeyboardInterrupt:
            dies[0] = -1
            features().materialise("last_sale")
        else:
            break
        finally:
            dies[0] = -1
        assert world.online() == expected, call
        assert features().materialise("last_sale").written == 0
    # Definition, pin, progress, record and online items are more calls than these.
    assert call > 8


def test_told_to_stop_it_goes_on_from_there_the_next_time(world: World) -> None:
    rows = "".join(f"s{number:04},2013-01-01T01:00:00,{number}\n" for number in range(2_500))
    Lake(CATALOG, CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS)).ingest(
        world.upload("landing/sales/many.csv", f"shop,sold,amount\n{rows}")
    )
    lake = Lake(CATALOG, CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS))
    few = Features(CATALOG, lake, online=OnlineStore(FEATURES, CLIENTS, workers=1), now=lambda: NOW)
    first = few.materialise("last_sale", options=MaterialiseOptions(stop=lambda: True))
    assert (first.complete, first.entities) == (False, 2_500)
    assert 0 < first.written == len(world.online()) < 1_000
    asked = watch("BatchGetItem")
    second = few.materialise("last_sale")
    assert (second.complete, first.written + second.written, len(world.online())) == (True, 2_500, 2_500)
    # What was done isn't even read again.
    assert sum(len(json.loads(one.body)["RequestItems"][FEATURES]["Keys"]) for one in asked) == second.written


def test_an_older_run_that_sleeps_and_wakes_up_late_changes_nothing(world: World) -> None:
    land(world, "1.csv")
    features().materialise("last_sale")
    correct(world, 2)
    # A run reads the correction and falls asleep before it writes; meanwhile the correction is taken back.
    asleep: list[object] = []

    def meanwhile(**_: object) -> None:
        if asleep:
            return
        asleep.append(True)
        correct(world, 1)
        features().materialise("last_sale")

    CLIENTS("dynamodb").meta.events.register("before-send.dynamodb.BatchExecuteStatement", meanwhile)
    features().materialise("last_sale")
    assert asleep
    assert amounts(world) == {"a": 1.0, "b": 2.0}
    assert features().materialise("last_sale").written == 0


def test_a_run_that_finds_newer_data_under_way_reads_them_too(world: World) -> None:
    land(world, "1.csv")
    lake = Lake(CATALOG, CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS))
    old = lake.pin(["sales"])
    correct(world, 7)
    new = lake.pin(["sales"])
    progress = ProgressOf(Table(REGISTRY, CLIENTS), "last_sale", LAST.version)
    assert progress.begin(run(new)) is not None
    assert progress.begin(run(old)) is None
    features().materialise("last_sale")
    assert amounts(world)["a"] == 7.0
    known = progress.read()
    assert (known.completed and known.completed.data_version, known.in_progress) == (new.id, ())


def test_two_at_once_end_as_one(world: World) -> None:
    for name in FILES:
        land(world, name)
    results: list[int] = []
    threads = [
        Thread(target=lambda: results.append(features().materialise("last_sale").written)) for _ in range(3)
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert amounts(world) == {"a": 5.0, "b": 2.0}
    assert sum(results) >= 2


EVENTS = st.tuples(
    st.sampled_from("abc"),
    st.integers(0, 6),
    st.sampled_from([None, -1.0, -0.0, 0.0, 2.5, 1e-40]),
    st.sampled_from([None, "", "1", "01", "a", "a\0", "\0", "é", "\U0001f600", "x" * 1024]),
)
SELLERS = LAST.model_copy(
    update={
        "sql": (LAST.sql or "").replace("twice", "twice, seller"),
        "features": (Feature(name="amount"), Feature(name="seller", kind="category"), Feature(name="twice")),
    }
)
SELLING: Catalog = catalog([Product(sources=(SALES, OTHER), views=(SELLERS,))])


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(EVENTS, min_size=1, max_size=5), min_size=1, max_size=2), st.integers(0, 9))
def test_online_after_materialising_is_offline_at_that_time(
    world: World, files: list[list[tuple[str, int, float | None, str | None]]], hour: int
) -> None:
    now = datetime(2013, 1, 1, hour, 30, tzinfo=UTC)
    restore({REGISTRY: [], FEATURES: []})
    lake = Lake(SELLING, CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS))
    store = Features(SELLING, lake, online=OnlineStore(FEATURES, CLIENTS, pause=lambda _: None), now=lambda: now)
    for number, events in enumerate(files):
        lines = [
            json.dumps({"shop": shop, "sold": f"2013-01-01T{at:02}:00:00", "amount": value, "seller": seller})
            for shop, at, value, seller in events
        ]
        lake.ingest(world.upload(f"landing/sales/{number}.jsonl", "\n".join(lines)))
        store.materialise("last_sale")
    with lake.tables(version := lake.pin(["sales"])) as tables:
        table = store.ensure(tables, SELLERS, version)
        tables.execute(
            "CREATE TABLE asked AS SELECT unnest(['a', 'b', 'c', 'd']) AS shop, ?::TIMESTAMP AS asked_at",
            [now.replace(tzinfo=None)],
        )
        names = ("amount", "seller", "twice")
        wanted = [f"last_sale.{name}" for name in names]
        offline = historical(tables, "asked", SELLING.views, {"last_sale": table}, wanted).fetchall()
    lookups = plan([PackageFeature.of(SELLERS, name) for name in names], [{"shop": s} for s in "abcd"])
    online = read_online(OnlineStore(FEATURES, CLIENTS), [entry for row in lookups for entry in row], now)
    assert [tuple(answer.values.values()) for answer in online] == [row[2:] for row in offline]


def restore(tables: Mapping[str, list[dict[str, Any]]]) -> None:
    """Let the tables hold what they held."""
    for table, items in tables.items():
        names = [
            part["AttributeName"] for part in CLIENTS("dynamodb").describe_table(TableName=table)["Table"]["KeySchema"]
        ]
        for item in CLIENTS("dynamodb").scan(TableName=table)["Items"]:
            CLIENTS("dynamodb").delete_item(TableName=table, Key={name: item[name] for name in names})
        for item in items:
            CLIENTS("dynamodb").put_item(TableName=table, Item=item)


def run(version: DataVersion) -> Run:
    return Run(data_version=version.id, revision=version.revision, commits=version.ids, moment=microseconds(NOW))


def correct(world: World, amount: int) -> None:
    """Upload the first file again with another amount of shop a."""
    body = FILES["1.csv"].replace(",1\n", f",{amount}\n")
    Lake(CATALOG, CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS)).ingest(
        world.upload("landing/sales/1.csv", body)
    )


def watch(operation: str, service: str = "dynamodb") -> list[Any]:
    """An operation's requests from now on."""
    seen: list[Any] = []
    CLIENTS(service).meta.events.register_first(
        f"before-send.{service}.{operation}", lambda request, **_: seen.append(request)
    )
    return seen


def test_a_view_waits_for_all_of_its_sources(world: World) -> None:
    land(world, "1.csv")
    assert [done.view for done in features().materialise_source("sales")] == ["last_sale"]
    with pytest.raises(NoData, match="no data for source 'other'"):
        features().materialise("both")
    land(world, "2.csv", "other")
    assert [done.view for done in features().materialise_source("other")] == ["both"]


def changed_catalog() -> Catalog:
    changed = LAST.model_copy(
        update={"sql": (LAST.sql or "").replace("amount, amount * 2", "amount + 1 AS amount, amount * 2")}
    )
    return catalog([Product(sources=(SALES, OTHER), views=(changed,))])


def test_an_old_definition_is_kept_fresh_beside_the_new_while_a_model_serves_it(world: World) -> None:
    land(world, "1.csv")
    features().materialise("last_sale")
    other = changed_catalog()
    served = {("last_sale", LAST.version), ("last_sale", "0" * 12), ("nosuch", "1" * 12)}

    def deployed(served: Set[tuple[str, str]]) -> list[Materialised]:
        lake = Lake(other, CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS))
        made = Features(other, lake, online=OnlineStore(FEATURES, CLIENTS), served=lambda: served, now=lambda: NOW)
        return made.materialise_source("sales")

    done = deployed(frozenset())
    new = other.view("last_sale")
    assert [entry.version for entry in done] == [new.version]
    assert (amounts(world, new)["a"], amounts(world)["a"]) == (2.0, 1.0)
    correct(world, 9)
    done = deployed(served)
    assert (amounts(world, new)["a"], amounts(world)["a"]) == (10.0, 9.0)
    told = {entry.version: entry.skipped for entry in done}
    assert told.keys() == {new.version, LAST.version, "0" * 12, "1" * 12}
    assert "has no version '000000000000'" in told["0" * 12]
    assert "no feature view 'nosuch'" in told["1" * 12]
