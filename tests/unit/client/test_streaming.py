"""Rows on their way online: through the API to the function that takes them, whatever happens to a request."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy
import pandas
import pyarrow
import pytest

from headwater.client import Stack, connect
from headwater.client.errors import ApiRefused, BadFrame, NotDeclared, RowsRefused
from headwater.client.features.streaming import MOST_ROWS as OURS
from headwater.declare import load_catalog
from headwater.features.stream.rows import MOST_ROWS
from headwater.handlers.features import stream
from tests.unit.client.conftest import OUTPUTS, describe
from tests.unit.client.fake_api import Answer, Fake, answering
from tests.unit.lake.invocation import Context
from tests.unit.lake.world import World, new_world

VIEW = load_catalog().view("origin_weather")
AT = datetime(2026, 1, 1, 6, tzinfo=UTC)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with new_world(monkeypatch) as made:
        stream.service.cache_clear()  # type: ignore[attr-defined]
        yield made


@pytest.fixture
def fake(world: World) -> Iterator[Fake]:
    """An API whose route for rows is answered by the deployed handler."""

    def answer(path: str, asked: Any) -> Answer:
        request = {"rawPath": path, "body": json.dumps(asked), "requestContext": {"http": {"method": "POST"}}}
        said = stream.handler(request, Context())
        return said["statusCode"], said["body"].encode()

    with answering() as made:
        made.answer = answer
        yield made


@pytest.fixture
def stack(fake: Fake) -> Stack:
    describe("dev", {**OUTPUTS, "region": "eu-central-1", "api_url": fake.url, "views": VIEW.name})
    return connect("dev")


def row(origin: str, temp: Any = 1.0, **more: Any) -> dict[str, Any]:
    return {"origin": origin, "event_time": AT, "temp": temp, **more}


def test_tables_of_each_kind_go_online_as_they_are(stack: Stack, world: World) -> None:
    assert OURS == MOST_ROWS
    frame = pandas.DataFrame([row("A", 1.5), row("B", None, wind_speed=numpy.float32(2.0)), row("C", math.nan)])
    assert frame["event_time"].dtype.kind == "M"
    done = stack.features.ingest(VIEW.name, frame)
    assert (done.rows, done.written, done.refused, done.version) == (3, 3, (), VIEW.version)
    stack.features.ingest(VIEW.name, pyarrow.table({"origin": ["D"], "event_time": [AT], "temp": [4.5]}))
    stack.features.ingest(VIEW.name, [row("E", Decimal("5.5"))])
    stack.features.ingest(VIEW.name, iter([row("F", numpy.int64(6))]))
    online = world.rows_online(VIEW)
    temps = {key.partition("|")[2]: values["temp"] for key, values in online.items()}
    assert temps == {"A": 1.5, "B": None, "C": None, "D": 4.5, "E": 5.5, "F": 6.0}
    assert online["origin|B"]["wind_speed"] == 2.0


def test_many_rows_go_out_in_batches_and_refused_ones_are_named(stack: Stack, fake: Fake, world: World) -> None:
    rows = [row(f"P{number}") for number in range(1100)]
    rows[3] = row("P3", "warm", event_time=None)
    rows[700] = row("P700", math.inf)
    told: list[int] = []
    done = stack.features.ingest(VIEW.name, rows, progress=told.append)
    assert (done.rows, done.written, told) == (1098, 1098, [500, 500, 100])
    assert [len(asked["rows"]) for *_, asked in fake.asked] == [500, 499, 499, 100]
    assert [str(refused) for refused in done.refused] == [
        'row 3: event_time: missing, expected a time such as "2026-05-01T10:00:00Z"',
        "row 700: temp: inf (float) can't be sent exactly, expected text, a number, true or false, a time, or None for "
        "a missing value",
    ]
    assert len(world.online()) == 1098


def test_a_wide_row_makes_smaller_batches(stack: Stack, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headwater.client.features.streaming.MOST_BYTES", 200)
    assert stack.features.ingest(VIEW.name, [row(f"P{number}") for number in range(5)]).written == 5
    assert [len(asked["rows"]) for *_, asked in fake.asked] == [2, 2, 1]


def test_throttled_failed_and_lost_requests_are_sent_again_and_change_nothing_twice(
    stack: Stack, fake: Fake, world: World
) -> None:
    take = fake.answer
    assert callable(take)
    troubles: list[Answer | None] = [
        (429, {"message": "Too Many Requests"}), (503, {"reason": "OnlineStoreBusy"}), None,
    ]  # fmt: skip

    def answer(path: str, asked: Any) -> Answer:
        if not troubles:
            return take(path, asked)
        if (trouble := troubles.pop(0)) is None:
            take(path, asked)  # it was taken, and its answer is lost
            return 502, b"bad gateway"
        return trouble

    fake.answer = answer
    pauses: list[float] = []
    done = stack.features.ingest(VIEW.name, [row("A")], pause=pauses.append)
    assert (done.rows, done.written, len(pauses)) == (1, 0, 3)
    assert world.rows_online(VIEW)["origin|A"]["temp"] == 1.0

    fake.answer = (503, {"reason": "OnlineStoreBusy", "message": "try again in a moment"})
    with pytest.raises(ApiRefused, match="try again in a moment") as kept:
        stack.features.ingest(VIEW.name, [row("A")], pause=pauses.append)
    assert (kept.value.status, kept.value.exit_code) == (503, 1)


def test_what_can_not_be_sent_at_all_is_an_error(stack: Stack, fake: Fake) -> None:
    with pytest.raises(RowsRefused, match=r"none of the first 2 rows was taken:\nrow 0: rain: unknown column") as wrong:
        stack.features.ingest(VIEW.name, [row("A", rain=1), row("B", rain=2)])
    assert [refused.row for refused in wrong.value.refused] == [0, 1]
    with pytest.raises(NotDeclared, match="its feature views are origin_weather"):
        stack.features.ingest("nosuch", [row("A")])
    with pytest.raises(BadFrame, match="is no table"):
        stack.features.ingest(VIEW.name, 7)
    with pytest.raises(BadFrame, match="row 0 is str, expected a mapping"):
        stack.features.ingest(VIEW.name, iter(["A"]))
    asked = len(fake.asked)
    assert stack.features.ingest(VIEW.name, []).rows == 0
    assert len(fake.asked) == asked
    fake.answer = (403, {"message": "Forbidden"})
    with pytest.raises(ApiRefused) as refused:
        stack.features.ingest(VIEW.name, [row("A")])
    assert (refused.value.reason, refused.value.exit_code) == ("Forbidden", 4)
