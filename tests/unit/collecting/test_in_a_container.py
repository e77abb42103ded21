"""Collectors through the container's entry point: the same run as in the function, to its end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from headwater.collecting.databases import reading
from headwater.collecting.types import Batch, Request, RunStatus
from headwater.container import task
from headwater.container.task import COLLECTS_FOR
from headwater.declare import Code, Collector, Http, Product, Schedule, Source, Sql, catalog
from headwater.storage.environment import CLIENTS
from tests.crashing import crash_points
from tests.unit.collecting.database import Database, records, told
from tests.unit.collecting.postgresql import PASSWORD, URL
from tests.unit.collecting.world import Book, emptied, landed, rows, store
from tests.unit.lake.world import READINGS_SOURCE, World
from tests.unit.versions.cases import Killed, wired

HOURLY = Schedule(every="1h")
BOOK = Book([1, 2, 3])
NOW = "2026-11-01T06:00:00+00:00"


def read(request: Request) -> Iterator[Batch]:
    yield from BOOK.read(request)


COUNTED = Collector(
    name="book", source="readings", schedule=HOURLY, runs_in="container",
    reads=Code(function="tests.unit.collecting.test_in_a_container:read"),
)  # fmt: skip


def declared(patches: pytest.MonkeyPatch, collector: Collector, source: Source = READINGS_SOURCE) -> None:
    """What the image's products declare."""
    found = catalog([Product(sources=(source,), collectors=(collector,))])
    patches.setattr(task, "deployed_catalog", lambda: found)


def started(run_id: str = "run", *, at: datetime | None = None) -> int:
    """The exit code of a container that the machine starts."""
    tick = {"schedule": "collect-book", "tick": NOW, "interval": ["2026-11-01T05:00:00+00:00", NOW], "origin": "manual"}
    began = (at or datetime.now(UTC)).isoformat()
    order = {"collector": "book", "run_id": run_id, "tick": tick, "started_at": began}
    return task.main(["collect", json.dumps(order)])


def test_killed_at_any_call_the_container_that_is_started_again_has_every_row_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared(monkeypatch, COUNTED)
    wire = wired("s3", "dynamodb")
    assert started() == 0
    calls = len(wire.calls)
    for number in crash_points(0, "a container that collects"):
        if number >= calls:
            break
        emptied()
        seen = iter(range(1_000_000))
        wire.fault = lambda _, number=number, seen=seen: "kill" if next(seen) == number else None  # type: ignore[misc]
        with pytest.raises(Killed):
            started()
        wire.revive()
        assert started() == 0
        assert rows() == [1, 2, 3], f"killed at call {number}"
        wire.revive()


def test_a_container_that_is_started_twice_collects_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    declared(monkeypatch, COUNTED)
    assert [started(), started()] == [0, 0]
    assert rows() == [1, 2, 3]
    (run,) = store().runs(10)
    assert (run.status, run.runs_in, run.batches) == (RunStatus.DONE, "container", 2)


def test_a_run_whose_time_is_up_fails_and_the_next_one_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    declared(monkeypatch, COUNTED)
    assert started("late", at=datetime.now(UTC) - COLLECTS_FOR) == 1
    (run,) = store().runs(10)
    assert run.status is RunStatus.FAILED
    assert run.reason == ("collector 'book': its time is up after 1 batches, which count: the next run goes on there")
    assert caplog.records[-1].getMessage() == f"CollectFailed: {run.reason}"
    assert started("next") == 0
    assert rows() == [1, 2, 3]


def table(database: Database, ports: tuple[int, ...] = ()) -> Collector:
    """A collector of a table, read whole, whose rows tell how long the database bears with a query."""
    CLIENTS("ssm").put_parameter(Name="/db", Value=URL.format(port=database.port), Type="SecureString", Overwrite=True)
    database.run("CREATE TABLE orders AS SELECT n AS id FROM generate_series(1, 3) n")
    bears = "(SELECT setting::bigint FROM pg_settings WHERE name = 'statement_timeout') AS milliseconds"
    reads = Sql(url_secret="ssm:/db", query=f"SELECT id, {bears} FROM {database.schema}.orders")  # noqa: S608
    return Collector(name="book", source="readings", schedule=HOURLY, reads=reads, runs_in="container", ports=ports)


def test_a_table_that_is_read_whole_has_hours(
    world: World, database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    declared(monkeypatch, table(database, (database.port,)))
    assert started() == 0
    assert told() == [1, 2, 3]
    (bears,) = {timedelta(milliseconds=row["milliseconds"]) for row in records()}
    assert COLLECTS_FOR - timedelta(minutes=5) < bears < COLLECTS_FOR
    assert PASSWORD not in caplog.text


def test_a_table_that_is_too_large_for_one_file_is_told_while_it_is_read(
    world: World, database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reading, "CHUNK", 1)
    monkeypatch.setattr(reading, "MOST_BYTES", 5)
    declared(monkeypatch, table(database, (database.port,)))
    assert started() == 1
    assert "1 rows are 10 bytes, gzipped, S3 takes 5 as one file, and there are more" in caplog.records[-1].getMessage()
    assert landed() == {}


def test_a_port_that_the_container_cannot_reach_is_told_in_a_line(
    world: World, database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    declared(monkeypatch, table(database))
    assert started() == 1
    assert caplog.records[-1].getMessage() == (
        f"CollectFailed: collector 'book': the database's address has the port {database.port}, and the container "
        f"reaches 443, 3306, 5432 alone: declare ports=({database.port},) of the collector"
    )


@pytest.mark.parametrize(
    ("collector", "ports"),
    [
        ({"reads": Sql(url_secret="ssm:/db", table="t")}, {443, 3306, 5432}),
        ({"reads": Sql(url_secret="ssm:/db", table="t"), "ports": (6432,)}, {443, 6432}),
        ({"reads": Http(url="https://rain.example.com:8443/{since:%Y}")}, {443, 8443}),
        ({"reads": Http(url="http://10.0.0.7/", allow_private=True)}, {443, 80}),
        ({"reads": Code(function="functions.own:collect")}, {443}),
        ({"reads": Sql(url_secret="ssm:/db", table="t"), "runs_in": "function"}, set()),
    ],
)
def test_a_container_reaches_what_its_kind_needs(collector: dict[str, object], ports: set[int]) -> None:
    given = {"name": "book", "source": "readings", "schedule": HOURLY, "runs_in": "container", **collector}
    assert Collector.model_validate(given).reaches == ports


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"ports": (6432,)}, "ports goes with runs_in='container': a function reaches every port"),
        ({"ports": (70_000,), "runs_in": "container"}, "less than or equal to 65535"),
        ({"runs_in": "ec2"}, "'function' or 'container'"),
    ],
)
def test_a_wrong_place_is_refused_where_it_is_declared(more: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Collector(
            name="book",
            source="readings",
            schedule=HOURLY,
            reads=Code(function="a.b:c"),
            **more,  # type: ignore[arg-type]
        )
