"""The parity check: what is online is what the offline rows say, or it is told which value isn't."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from headwater.features.online.encoding import Row, pack
from headwater.features.online.reading import microseconds, online_key
from headwater.features.online.store import OnlineStore, OnlineWrite
from headwater.lake.service import Lake
from headwater.monitoring.parity import Parity, ViewParity
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.features.shop import FIRST, NOW, SECOND, features, land, products
from tests.unit.lake.world import FEATURES, LAKE, REGISTRY, World

HOUR = timedelta(hours=1)


@pytest.fixture
def filled(world: World) -> World:
    for name in ("1.csv", "2.csv"):
        land(world, name)
    features().materialise("last_sale")
    return world


def check(now: datetime = NOW, sample: int = 200) -> ViewParity:
    lake = Lake(products(), CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS))
    store = OnlineStore(FEATURES, CLIENTS)
    (found,) = Parity(products(), lake, store, Table(REGISTRY, CLIENTS), now=lambda: now, sample=sample).check()
    return found


def tamper(shop: str, event: datetime, amount: float | None, thrice: float | None) -> None:
    """Put an item online that no materialisation wrote."""
    key = online_key(("shop",), (shop,))
    assert key is not None
    moment = microseconds(event)
    row = Row(moment, moment + microseconds(NOW + HOUR) - microseconds(NOW), 99, (amount, thrice))
    OnlineStore(FEATURES, CLIENTS).write(SECOND.version, [OnlineWrite(key, pack(row), 2**32)])


def test_what_a_materialisation_brought_online_is_what_the_offline_rows_say(filled: World) -> None:
    found = check()
    assert (found.sampled, found.equal, found.different, found.mismatches) == (3, 3, 0, ())
    # Shop c's sale of five was told at six, so known just after, and nothing later was when it was materialised.
    assert (found.version, found.at) == (SECOND.version, NOW.replace(hour=6, minute=0, microsecond=1))
    assert check(NOW + timedelta(days=3)) == found


def test_a_changed_value_is_told_with_view_entity_feature_and_both_values(filled: World) -> None:
    tamper("a", NOW.replace(hour=3, minute=0), 30.0, 91.0)
    found = check()
    assert (found.equal, found.different) == (2, 1)
    (mismatch,) = found.mismatches
    assert (mismatch.view, mismatch.entity, mismatch.feature) == ("last_sale", ("a",), "thrice")
    assert (mismatch.online, mismatch.offline) == (91.0, 90.0)
    assert "last_sale.thrice of a: online 91.0 (FOUND" in str(mismatch)


def test_a_missing_value_and_a_value_where_there_is_none_are_differences(filled: World) -> None:
    tamper("a", NOW.replace(hour=3, minute=0), 30.0, None)
    tamper("b", NOW.replace(hour=4, minute=0), 0.0, None)
    told = [(entry.entity, entry.feature, entry.online, entry.offline) for entry in check().mismatches]
    assert sorted(told) == [(("a",), "thrice", None, 90.0), (("b",), "amount", 0.0, None)]


def test_an_item_that_is_gone_or_older_is_a_difference(filled: World) -> None:
    for shop in ("a", "c"):
        CLIENTS("dynamodb").delete_item(TableName=FEATURES, Key={"pk": {"S": f"shop|{shop}"}})
    tamper("c", NOW.replace(hour=2, minute=0), 60.0, 7.0)
    found = check()
    assert (found.different, found.deleted) == (2, 0)
    assert {entry.entity[0]: entry.online_status for entry in found.mismatches} == {"a": "MISSING", "c": "FOUND"}


def test_an_item_that_may_have_been_deleted_by_its_age_is_no_difference(filled: World) -> None:
    CLIENTS("dynamodb").delete_item(TableName=FEATURES, Key={"pk": {"S": "shop|a"}})
    # The sale of three is kept for its TTL of eight hours and seven days.
    until = NOW.replace(hour=11, minute=0) + timedelta(days=7)
    assert (check(until - HOUR).different, check(until - HOUR).deleted) == (1, 0)
    assert (check(until).different, check(until).deleted) == (0, 1)


def test_an_item_of_a_newer_event_is_none_unless_it_is_yet_to_come(filled: World) -> None:
    tamper("a", NOW - HOUR, 5.0, 15.0)
    found = check()
    assert (found.newer, found.different) == (1, 0)
    tamper("b", NOW + HOUR, 5.0, 15.0)
    found = check()
    assert (found.newer, found.different) == (1, 1)
    assert found.mismatches[0].online_status == "FUTURE"


def test_a_correction_in_progress_is_no_difference_until_it_is_materialised(filled: World) -> None:
    tamper("a", NOW.replace(hour=3, minute=0), 31.0, 93.0)
    corrected = "shop,sold,amount\na,2013-01-01T03:00:00,31\n"
    Lake(products(), CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS)).ingest(
        filled.upload("landing/sales/3.csv", corrected)
    )
    found = check()
    assert (found.in_flight, found.different) == (1, 0)
    features(now=NOW + HOUR).materialise("last_sale")
    found = check(NOW + HOUR)
    assert (found.equal, found.in_flight, found.different) == (3, 0, 0)


def test_an_older_definition_that_a_model_still_looks_up_is_checked_too(world: World) -> None:
    land(world, "1.csv")
    land(world, "2.csv")
    features(FIRST).materialise("last_sale")
    features(SECOND).materialise("last_sale")
    lake = Lake(products(), CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS))

    def found(*served: tuple[str, str]) -> list[tuple[str, int, int]]:
        parity = Parity(
            products(),
            lake,
            OnlineStore(FEATURES, CLIENTS),
            Table(REGISTRY, CLIENTS),
            served=lambda: set(served),
            now=lambda: NOW,
        )
        return [(view.version, view.equal, view.different) for view in parity.check()]

    assert found() == [(SECOND.version, 3, 0)]
    both = found(("last_sale", FIRST.version), ("last_sale", "never-seen"), ("last_sale", SECOND.version))
    assert sorted(both) == sorted([(FIRST.version, 3, 0), (SECOND.version, 3, 0)])


def test_the_sample_is_the_same_all_day_and_another_one_the_next(world: World) -> None:
    rows = "".join(f"s{number},2013-01-01T03:00:00,{number}\n" for number in range(50))
    lake = Lake(products(), CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS))
    lake.ingest(world.upload("landing/sales/many.csv", f"shop,sold,amount\n{rows}"))
    features().materialise("last_sale")
    for number in range(50):
        tamper(f"s{number}", NOW.replace(hour=3, minute=0), number + 0.5, number * 3.0)

    def drawn(now: datetime) -> set[tuple[str, ...]]:
        return {entry.entity for entry in check(now, sample=10).mismatches}

    first = drawn(NOW)
    assert len(first) == 10
    assert drawn(NOW + HOUR) == first
    assert drawn(NOW + 24 * HOUR) != first


def test_the_sources_files_are_fetched_only_if_the_offline_rows_were_lost(filled: World) -> None:
    fetched: list[str] = []
    CLIENTS("s3").meta.events.register(
        "before-parameter-build.s3.GetObject", lambda params, **_: fetched.append(params["Key"].split("/")[0])
    )
    assert check().equal == 3
    assert "curated" not in fetched
    for key in filled.keys(prefix="features/last_sale/"):
        CLIENTS("s3").delete_object(Bucket=LAKE, Key=key)
    assert check().equal == 3
    assert "curated" in fetched


def test_a_view_that_was_never_materialised_is_left_out(world: World) -> None:
    lake = Lake(products(), CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS))
    assert Parity(products(), lake, OnlineStore(FEATURES, CLIENTS), Table(REGISTRY, CLIENTS)).check() == ()
