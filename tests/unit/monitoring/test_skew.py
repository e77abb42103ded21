"""Skew: what logged predictions saw beside what training would have seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from headwater.client import Stack, connect
from headwater.features.online.reading import Lookup, OnlineAnswer, ValueStatus
from headwater.lake.service import Lake
from headwater.monitoring.skew import MOST_DATA_VERSIONS
from headwater.registry.errors import ModelNotRegistered
from headwater.serving.errors import NothingLogged
from headwater.serving.store import PredictionStore
from headwater.serving.types import PredictionRecord
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.features.shop import FILES, FIRST, NOW, fill, products
from tests.unit.lake.world import LAKE, REGISTRY, World, new_world

TODAY = NOW.date()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with new_world(monkeypatch) as made:
        yield made


@pytest.fixture
def stack(world: World) -> Stack:
    """A stack whose model `habit` looks up a shop's last amount, known an hour after the sale."""
    fill(world)
    CLIENTS("s3").create_bucket(Bucket="predictions", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return connect("dev")


def log(
    request: str,
    shops: Mapping[str, float | None],
    as_of: datetime = NOW,
    *,
    received: datetime | None = None,
    looked_up: bool = True,
    status: ValueStatus | None = None,
) -> None:
    """A request about some shops, each with the amount that its prediction saw."""
    lookup = Lookup("last_sale", FIRST.version, ("shop",), ("a",), ("amount",), (0,), 1.0)
    predictions: list[dict[str, Any]] = [
        {"inputs": {"shop": shop}, "features": {"last_sale.amount": amount}, "value": 1.0}
        for shop, amount in shops.items()
    ]
    PredictionStore("predictions", CLIENTS).write(
        PredictionRecord(
            request_id=request, model="habit", version=1, alias="production", run_id="run-1", data_version="d",
            received_at=received or as_of, answered_at=as_of, as_of=as_of, looked_up=looked_up, predictions=predictions,
            looked=[[OnlineAnswer(lookup, status)]] * len(shops) if status else (),
        )
    )  # fmt: skip


def test_each_feature_s_share_of_values_that_training_would_not_have_seen(stack: Stack) -> None:
    # Known at half past nine: shop a sold for 30 at three, b for nothing at four, c for 60 at five; TTL six hours.
    log("r-1", {"a": None, "b": None, "c": 60.0, "nowhere": None})
    log("r-2", {"c": 61.0, "b": 2.0})
    # At three in the morning b's sale of two was known, and nobody's of three.
    log("r-3", {"b": 2.0, "a": 30.0}, NOW.replace(hour=3, minute=30))
    log("r-4", {"a": 7.0}, looked_up=False)
    found = stack.features.skew("habit", TODAY)
    assert (found.requests, found.predictions, found.versions) == (3, 8, (1,))
    (amount,) = found.features
    assert (amount.feature, amount.compared) == ("last_sale.amount", 8)
    # a at 9:30 is expired (6.5 h); c has another value; b had none; a at 3:30 saw what was known from four on.
    assert (amount.different, amount.missing_online, amount.missing_offline) == (2, 0, 1)
    assert amount.share == 3 / 8
    assert amount.mean_difference == pytest.approx((0 + 1 + 0 + 29) / 4)


def test_a_late_materialisation_shows_as_values_that_predictions_lacked(stack: Stack) -> None:
    log("r-1", {"a": None}, NOW.replace(hour=4, minute=30))
    (amount,) = stack.features.skew("habit").features
    assert (amount.missing_online, amount.share) == (1, 1.0)


def test_later_corrections_are_told_from_what_a_prediction_should_have_seen(stack: Stack, world: World) -> None:
    # A correction of the evening before lands at ten: until then everybody saw 60, and rightly so; to whom it was
    # streamed saw 61, which is what training will see.
    log("r-0", {"c": 61.0})
    log("r-1", {"c": 60.0, "a": None})
    lake = Lake(products(), CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS), now=lambda: NOW.replace(hour=10))
    lake.ingest(world.upload("landing/sales/2.csv", FILES["2.csv"].replace("05:00:00,60", "05:00:00,61")))
    log("r-2", {"c": 60.0}, NOW.replace(hour=10, minute=30))
    found = stack.features.skew("habit", TODAY)
    (amount,) = found.features
    assert (found.data_versions, amount.compared) == (2, 4)
    # The second request came after the correction, which was online by then or should have been.
    assert (amount.different, amount.missing_offline, amount.different_by_now) == (1, 0, 2)


def test_what_spark_has_not_computed_is_left_out_and_the_rest_is_measured(
    stack: Stack, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    log("r-1", {"c": 61.0})
    before = stack.features.skew("habit", TODAY)
    lake = Lake(products(), CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS), now=lambda: NOW.replace(hour=10))
    lake.ingest(world.upload("landing/sales/2.csv", FILES["2.csv"].replace("05:00:00,60", "05:00:00,61")))
    log("r-2", {"c": 60.0}, NOW.replace(hour=10, minute=30))
    monkeypatch.setattr("headwater.features.service.engine_for", lambda *_: "spark")
    assert stack.features.skew("habit", TODAY).features == before.features


def test_a_replayed_request_that_the_online_store_can_not_answer_is_not_compared(stack: Stack) -> None:
    at = NOW.replace(hour=4, minute=30)
    log("r-1", {"a": None}, at, received=NOW, status=ValueStatus.FUTURE)
    log("r-2", {"a": 30.0}, at, received=NOW, status=ValueStatus.FOUND)
    found = stack.features.skew("habit")
    (amount,) = found.features
    assert (amount.compared, amount.share) == (1, 0.0)
    # Asked live, the same answer means that something wrote ahead of its time.
    log("r-3", {"a": None}, at, status=ValueStatus.FUTURE)
    (amount,) = stack.features.skew("habit").features
    assert (amount.compared, amount.missing_online) == (2, 1)


def test_of_a_day_with_many_data_versions_the_requests_of_some_are_compared(stack: Stack, world: World) -> None:
    for minute in range(16):
        at = NOW.replace(hour=10, minute=minute)
        lake = Lake(products(), CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS), now=lambda at=at: at)  # type: ignore[misc]
        lake.ingest(world.upload("landing/sales/3.csv", f"shop,sold,amount\nd,2013-01-01T08:00:00,{minute}\n"))
        log(f"r-{minute:02}", {"d": float(minute)}, at.replace(second=30))
    found = stack.features.skew("habit", TODAY)
    assert (found.requests, found.data_versions) == (MOST_DATA_VERSIONS, MOST_DATA_VERSIONS)
    assert found.features[0].share == 0.0
    assert found.features[0].different_by_now == MOST_DATA_VERSIONS


def test_the_last_day_counts_by_default_and_a_limit_spreads_over_the_day(stack: Stack) -> None:
    for hour in range(8):
        log(f"r-{hour}", {"a": float(hour)}, NOW.replace(hour=hour))
    log("later", {"a": 1.0}, NOW + timedelta(days=1))
    store = PredictionStore("predictions", CLIENTS)
    assert store.days("habit") == [TODAY, TODAY + timedelta(days=1)]
    assert [record["request_id"] for record in store.records("habit", TODAY, limit=4)] == ["r-0", "r-2", "r-4", "r-6"]
    assert stack.features.skew("habit").day == TODAY + timedelta(days=1)
    assert stack.features.skew("habit", TODAY, limit=3).requests == 3


def test_what_was_never_asked_is_not_found(stack: Stack) -> None:
    with pytest.raises(ModelNotRegistered):
        stack.features.skew("nosuch")
    with pytest.raises(NothingLogged, match="there are none at all"):
        stack.features.skew("habit")
    log("r-1", {"a": 1.0}, looked_up=False)
    with pytest.raises(NothingLogged, match="on 2013-02-01: there are some of 2013-01-01"):
        stack.features.skew("habit", date(2013, 2, 1))
    with pytest.raises(NothingLogged, match="no prediction of 2013-01-01 looked a feature up"):
        stack.features.skew("habit")
