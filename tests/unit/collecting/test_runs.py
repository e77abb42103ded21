"""A run that is killed, started twice, or late neither loses nor doubles rows."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headwater.collecting.errors import BadCursor, CollectFailed, DeclarationChanged
from headwater.collecting.landing import LEFT_AFTER, Landing
from headwater.collecting.service import MARGIN, Tick, reset
from headwater.collecting.store import CollectedFiles
from headwater.collecting.types import Batch, Request, RunStatus
from headwater.declare import Collector, Schedule, Sql
from headwater.storage.environment import CLIENTS
from headwater.values import Pointer
from tests.crashing import Killed
from tests.unit.collecting.world import (
    COLLECTOR,
    START,
    Book,
    collecting,
    emptied,
    landed,
    lines,
    rows,
    run,
    store,
    versions,
)
from tests.unit.lake.world import LAKE, World
from tests.unit.versions.cases import at_write, wired


def test_rows_land_as_an_upload_of_the_source(world: World) -> None:
    outcome = run(Book([1, 2, 3]).read)
    assert (outcome.status, outcome.batches, outcome.rows) == (RunStatus.DONE, 2, 3)
    assert rows() == [1, 2, 3]
    assert all(name.startswith("book/0000000") and name.endswith(".jsonl.gz") for name in landed())
    assert versions("collected/") == 0
    assert [batch.landed is not None for batch in store().batches()] == [True, True]


def test_a_run_without_anything_new_lands_nothing(world: World) -> None:
    book = Book([1])
    run(book.read)
    assert run(book.read, "again").rows == 0
    assert versions() == 1


def test_a_run_that_is_done_is_not_run_again(world: World) -> None:
    book = Book([1])
    run(book.read)
    book.rows.append(2)
    assert run(book.read).rows == 1
    assert rows() == [1]


def test_runs_beside_each_other_land_each_others_batches(world: World) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Landing, "land_pending", lambda *_: None)
        run(lambda _: [Batch(rows=[{"row": number}], name=str(number)) for number in (1, 2)], "killed")
    assert versions("landing/") == 0
    fetch, raced = CollectedFiles.fetch, []

    def late(files: CollectedFiles, staged: Pointer, path: Path) -> None:
        if not raced:
            raced.append(staged)
            run(lambda _: [], "beside")
        fetch(files, staged, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CollectedFiles, "fetch", late)
        assert run(lambda _: [], "second").status is RunStatus.DONE
    state = store().state()
    assert state is not None
    assert (rows(), state.pending, versions("landing/"), versions("collected/")) == ([1, 2], (), 2, 0)


def test_killed_at_any_call_the_next_run_has_every_row_once(world: World) -> None:
    wire = wired("s3", "dynamodb")
    run(Book([1, 2, 3]).read, "count")
    calls = len(wire.calls)
    assert calls > 20
    for number in range(0, calls, 2):
        emptied()
        seen = iter(range(1_000_000))
        wire.fault = lambda _, number=number, seen=seen: "kill" if next(seen) == number else None  # type: ignore[misc]
        with pytest.raises(Killed):
            run(Book([1, 2, 3]).read, f"killed-{number}")
        wire.revive()
        run(Book([1, 2, 3, 4]).read, f"next-{number}")
        assert rows() == [1, 2, 3, 4], f"killed at call {number}"
        state = store().state()
        assert state is not None
        assert (state.pending, state.cursor) == ((), "4")
        wire.revive()


@pytest.mark.parametrize("fault", ["resend", "drop"])
def test_an_answer_that_is_lost_at_any_write_doubles_no_row(world: World, fault: str) -> None:
    wire = wired("s3", "dynamodb")
    run(Book([1, 2, 3]).read, "count")
    for number in range(wire.writes):
        emptied()
        wire.revive()
        wire.fault = at_write(number, fault)  # type: ignore[arg-type]
        try:
            run(Book([1, 2, 3]).read, f"lost-{number}")
        except CollectFailed:
            wire.revive()
            run(Book([1, 2, 3]).read, f"again-{number}")
        assert rows() == [1, 2, 3], f"lost at write {number}"
        wire.revive()


def test_a_second_run_between_any_two_calls_leaves_every_row_once(world: World) -> None:
    wire = wired("s3", "dynamodb")
    run(Book([1, 2, 3]).read, "count")
    for number in range(0, len(wire.calls), 4):
        emptied()
        wire.revive()
        wire.fault = _beside(number, lambda number=number: run(Book([1, 2, 3, 4]).read, f"twin-{number}"))  # type: ignore[misc]
        mine = run(Book([1, 2, 3]).read, f"mine-{number}")
        wire.revive()
        run(Book([1, 2, 3, 4]).read, f"last-{number}")
        assert rows() == [1, 2, 3, 4], f"the twin came before call {number}: {mine}"


def test_an_old_run_that_wakes_up_late_counts_no_more(world: World) -> None:
    def slow(request: Request) -> Iterator[Batch]:
        found = list(Book([1, 2]).read(request))
        run(Book([1, 2, 3]).read, "newer")
        yield from found

    assert run(slow, "old").status is RunStatus.SUPERSEDED
    assert rows() == [1, 2, 3]
    assert [(one.run, one.status.value) for one in store().runs(5)] == [("old", "SUPERSEDED"), ("newer", "DONE")]


def test_an_old_run_replaces_no_file_of_a_newer_one(world: World) -> None:
    def page(text: str) -> Callable[[Request], Iterator[Batch]]:
        return lambda _: iter([Batch(rows=[{"row": text}], name="all")])

    def slow(request: Request) -> Iterator[Batch]:
        run(page("new"), "newer")
        yield from page("old")(request)

    assert run(slow, "old").status is RunStatus.SUPERSEDED
    assert lines(landed().values()) == ['{"row":"new"}']


def test_a_pending_file_never_lands_over_a_newer_one(world: World) -> None:
    wire = wired("s3", "dynamodb")

    def page(text: str) -> Callable[[Request], Iterator[Batch]]:
        return lambda _: iter([Batch(rows=[{"row": text}], name="all")])

    run(page("first"), "count")
    puts = iter(range(1000))
    # The second write to S3 is the one to landing: the batch counts, and waits there.
    wire.fault = lambda call: "kill" if call == "PutObject" and next(puts) == 1 else None
    with pytest.raises(Killed):
        run(page("old"), "killed")
    wire.revive()
    wire.fault = _beside(3, lambda: run(page("new"), "newer"))
    run(page("new"), "next")
    assert lines(landed().values()) == ['{"row":"new"}']
    assert sum(batch.replaced for batch in store().batches()) <= 1


def test_a_file_that_is_the_same_as_before_lands_once(world: World) -> None:
    for name in ("first", "second"):
        run(lambda _: iter([Batch(rows=[{"row": 1}], name="all")]), name)
    assert versions() == 1


def test_without_time_left_the_next_call_goes_on(world: World) -> None:
    tick = Tick(at=START)
    read = Book(list(range(1, 7))).read
    outcomes = [collecting(read).run("run", tick, seconds_left=lambda: MARGIN - 1) for _ in range(4)]
    assert [(one.complete, one.rows) for one in outcomes] == [(False, 2), (False, 4), (False, 6), (True, 6)]
    assert rows() == [1, 2, 3, 4, 5, 6]


def test_what_fails_keeps_what_came_before_and_the_reason(world: World) -> None:
    def broken(request: Request) -> Iterator[Batch]:
        yield from Book([1, 2]).read(request)
        raise ValueError("no more\nfor today")

    with pytest.raises(CollectFailed, match="collector 'book': ValueError: no more for today"):
        run(broken)
    assert rows() == [1, 2]
    (failed,) = store().runs(5)
    assert (failed.status, failed.rows) == (RunStatus.FAILED, 2)
    # Step Functions tries a run again under its name.
    assert run(Book([1, 2, 3]).read).status is RunStatus.DONE
    assert rows() == [1, 2, 3]


def test_no_secret_is_in_an_error_its_notes_or_the_registry(world: World) -> None:
    address = "postgresql://ann:p%40ss-w0rd@db.example/shop"

    def broken(request: Request) -> Iterator[Batch]:
        secret = request.secret("token")
        try:
            raise ConnectionError(f"can't connect to {secret}: user ann with password 'p@ss-w0rd' refused")
        except ConnectionError as error:
            raise RuntimeError("p%40ss-w0rd is wrong") from error

    with pytest.raises(CollectFailed) as failed:
        run(broken, secrets={"ssm:/book/token": address})
    kept = str(CLIENTS("dynamodb").scan(TableName="registry")["Items"])
    told = "".join([failed.value.message, *failed.value.__notes__, kept])
    assert failed.value.__cause__ is None
    assert failed.value.__context__ is None
    assert "w0rd" not in told
    assert "RuntimeError: *** is wrong" in failed.value.message


def test_a_secret_that_is_not_declared_is_not_read(world: World) -> None:
    def asks(request: Request) -> Iterator[Batch]:
        request.secret("ssm:/other")
        return iter(())

    with pytest.raises(CollectFailed, match="no secret 'ssm:/other' is declared: it has token"):
        run(asks, secrets={"ssm:/other": "secret"})


def test_values_land_digit_by_digit(world: World) -> None:
    from decimal import Decimal

    values = {"big": 2**70, "amount": Decimal("0.10000000000000000000001"), "none": None, "text": "a\nb\u2028ü"}
    run(lambda _: iter([Batch(rows=[values])]))
    (line,) = gzip.decompress(next(iter(landed().values()))).decode().split("\n")[:-1]
    assert line.startswith('{"big":1180591620717411303424,"amount":0.10000000000000000000001,"none":null,"text":"a\\nb')


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        (Batch(rows=[{"row": float("inf")}]), "row 1.row: inf .* can't be sent exactly"),
        (Batch(rows=[{"row": 1}], cursor=object()), "the cursor: .* can't be sent exactly"),
        (Batch(rows=[{"row": 1}], cursor="x" * 60_000), "the cursor has 60,002 characters"),
        (Batch(rows=[{"row": 1}], name="a\nb"), "a batch's name"),
        (Batch(rows=[{"row": 1}], name="\ud800"), "a batch's name"),
        (Batch(rows=[{"row": 1}], name="ü" * 251), "expected at most 500 bytes"),
    ],
)
def test_what_a_function_gives_is_checked(world: World, batch: Batch, said: str) -> None:
    with pytest.raises(CollectFailed, match=said):
        run(lambda _: iter([batch]))
    assert landed() == {}


def test_a_long_name_of_a_file_is_one_that_the_stores_take(world: World) -> None:
    run(lambda _: iter([Batch(rows=[{"row": 1}], name="ü" * 250)]))
    assert list(landed()) == [f"book/{'ü' * 250}.jsonl.gz"]


def test_a_memory_of_any_size_is_kept_and_the_last_one_alone(world: World) -> None:
    seen = []

    def read(request: Request) -> Iterator[Batch]:
        seen.append(request.memory)
        yield Batch(rows=[{"row": len(seen)}], cursor=len(seen), memory=b"x" * 100_000 * len(seen))

    for number in range(3):
        run(read, f"run-{number}")
    assert [len(memory) for memory in seen] == [0, 100_000, 200_000]
    assert versions("collected/memory/") == 1


def test_what_killed_runs_left_is_deleted_a_day_later_and_nothing_that_counts(world: World, tmp_path: Path) -> None:
    files, landing = CollectedFiles(LAKE, CLIENTS), Landing(store(), CollectedFiles(LAKE, CLIENTS), lambda _: None)
    wire, puts = wired("s3", "dynamodb"), iter(range(1000))
    run(lambda _: iter([Batch(rows=[{"row": 1}], cursor=1, memory=b"kept")]), "first")
    # The third write to S3 is the one to landing: the batch counts, and waits there.
    wire.fault = lambda call: "kill" if call == "PutObject" and next(puts) == 2 else None
    with pytest.raises(Killed):
        run(lambda _: iter([Batch(rows=[{"row": 2}], cursor=2, memory=b"kept too")]), "killed")
    wire.revive()
    (path := tmp_path / "left").write_text("left")
    left = [files.stage("book", "left", path), files.remember("book", b"left", "left")]
    theirs = [files.stage("book2", "left", path), files.remember("book2", b"left", "left")]
    landing.sweep("book", datetime.now(UTC))
    assert all(_is_there(pointer) for pointer in (*left, *theirs))
    landing.sweep("book", datetime.now(UTC) + LEFT_AFTER)
    landing.sweep("book", datetime.now(UTC) + LEFT_AFTER)
    assert [_is_there(pointer) for pointer in (*left, *theirs)] == [False, False, True, True]
    seen: list[bytes] = []

    def read(request: Request) -> Iterator[Batch]:
        seen.append(request.memory)
        return iter(())

    run(read, "next")
    assert (rows(), seen) == ([1, 2], [b"kept too"])


def _is_there(pointer: Pointer) -> bool:
    found = CLIENTS("s3").list_object_versions(Bucket=pointer.bucket, Prefix=pointer.key).get("Versions", [])
    return pointer.version_id in {one["VersionId"] for one in found}


def test_a_file_of_somebody_else_is_not_taken_for_the_collectors(world: World) -> None:
    run(lambda _: iter([Batch(rows=[{"row": 1}], name="all")]), "first")
    CLIENTS("s3").put_object(Bucket=LAKE, Key="landing/readings/book/all.jsonl.gz", Body=b"theirs")
    with pytest.raises(CollectFailed, match=r"landing/readings/book/all.jsonl.gz isn't the collector's"):
        run(lambda _: iter([Batch(rows=[{"row": 2}], name="all")]), "second")


def test_a_cursor_of_another_table_is_not_used(world: World) -> None:
    def table(name: str) -> Collector:
        reads = Sql(url_secret="ssm:/db", table=name, cursor="id")
        return Collector(name="book", source="readings", schedule=Schedule(every="1h"), reads=reads)

    run(Book([1]).read, "first", table("orders"))
    with pytest.raises(CollectFailed, match="reads invoices by id, and its cursor is of orders by id"):
        run(Book([1]).read, "second", table("invoices"))
    reset(store(), "book", None, pause=lambda _: None)
    assert run(Book([1]).read, "third", table("invoices")).rows == 1
    assert issubclass(DeclarationChanged, Exception)


def test_a_reset_begins_where_it_says(world: World) -> None:
    run(Book([1, 2, 3]).read, "first")
    reset(store(), "book", 2, pause=lambda _: None)
    assert run(Book([1, 2, 3]).read, "second").rows == 1
    assert rows() == [1, 2, 3, 3]
    with pytest.raises(BadCursor):
        reset(store(), "book", object(), pause=lambda _: None)


def test_what_is_under_way_counts_no_more_after_a_reset(world: World) -> None:
    def slow(request: Request) -> Iterator[Batch]:
        reset(store(), "book", None, pause=lambda _: None)
        yield Batch(rows=[{"row": 1}], cursor=1)

    assert run(slow).status is RunStatus.SUPERSEDED
    assert landed() == {}


def test_two_ticks_of_intervals_land_beside_each_other(world: World) -> None:
    def read(request: Request) -> Iterator[Batch]:
        if request.until == START:
            run(read, "other", hours=1)
        yield Batch(rows=[{"row": request.until.hour}], name=f"{request.until:%H}")

    assert run(read, "one").status is RunStatus.DONE
    assert rows() == [0, 1]
    assert {one.at - START for one in store().runs(5)} == {timedelta(0), timedelta(hours=1)}
    assert COLLECTOR.schedule_name == "collect-book"


def _beside(place: int, act: Callable[[], object]) -> Callable[[str], None]:
    calls, busy = iter(range(100_000)), []

    def fault(_: str) -> None:
        if not busy and next(calls) == place:
            busy.append(True)
            act()

    return fault
