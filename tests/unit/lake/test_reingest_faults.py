"""A reingestion that is killed, whose answers are lost, or that others race."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from headwater.declare import Source
from headwater.lake.types import ReingestStatus
from tests.crashing import Killed
from tests.unit.lake.definitions import DOUBLED, OLD, ORDER, commits, fast, held, levels, uploaded
from tests.unit.lake.world import HEADER, World
from tests.unit.versions.cases import Wire, at_write, wired


def counted(world: World, *files: str) -> tuple[Wire, Callable[[int], Source]]:
    """A wire that saw each call of one reingestion of these files, and a new definition for each number."""
    uploaded(world, *files)
    wire = wired("s3", "dynamodb")
    for missing in ("first", "second"):
        wire.calls = []
        fast(world, OLD.model_copy(update={"missing": ("", missing)})).reingest(ORDER, "count")
    return wire, lambda number: OLD.model_copy(update={"missing": ("", f"NA{number}")})


def test_killed_at_any_write_it_is_done_by_the_next_run(world: World) -> None:
    wire, turn = counted(world, "a", "b")
    writes = wire.writes
    assert writes >= 6
    for number in range(writes):
        lake = fast(world, turn(number))
        before = commits(lake)
        wire.fault = at_write(number, "kill")
        with pytest.raises(Killed):
            lake.reingest(ORDER, "killed")
        wire.revive()
        switched = commits(lake) != before
        # Readers see the old files or the new ones, never some of both.
        digests = {entry.key.split("/")[1] for entry in held(lake)}
        assert len(digests) == 1
        done = fast(world, turn(number)).reingest(ORDER, "next")
        assert done is not None
        assert done.status is (ReingestStatus.NOTHING if switched else ReingestStatus.SWITCHED)
        assert len(commits(lake)) == len(before) + 1
        assert levels(fast(world, turn(number))) == {"a": 1, "b": 1}


def test_an_answer_that_is_lost_at_any_write_is_no_second_commit(world: World) -> None:
    wire, turn = counted(world, "a")
    for number in range(wire.writes):
        lake = fast(world, turn(number))
        before = len(commits(lake))
        wire.fault = at_write(number, "resend")
        lake.reingest(ORDER, "run")
        wire.revive()
        assert len(commits(lake)) == before + 1
        assert levels(lake) == {"a": 1}


def _beside(wire: Wire, act: Callable[[], None], place: int) -> None:
    """Let ``act`` happen before the call number ``place``."""
    calls = iter(range(100_000))
    busy: list[bool] = []

    def fault(_: str) -> None:
        if not busy and next(calls) == place:
            busy.append(True)
            act()

    wire.fault = fault


def test_a_twin_between_any_two_calls_makes_one_commit(world: World) -> None:
    wire, turn = counted(world, "a")
    for place in range(0, len(wire.calls), 7):
        source = turn(place)
        lake = fast(world, source)
        before = len(commits(lake))

        def twin(source: Source = source) -> None:
            fast(world, source).reingest(ORDER, "twin")

        _beside(wire, twin, place)
        lake.reingest(ORDER, "mine")
        wire.revive()
        assert len(commits(lake)) == before + 1, f"the twin came before call {place}"


def test_an_upload_that_lands_between_any_two_calls_keeps_its_place(world: World) -> None:
    wire, turn = counted(world, "a", "b")
    for place in range(0, len(wire.calls), 7):
        source = turn(place)
        lake = fast(world, source)

        def corrects(source: Source = source, place: int = place) -> None:
            body = f"{HEADER}a,{place % 100},,true\n"
            fast(world, source).ingest(world.upload("landing/readings/a.csv", body))

        _beside(wire, corrects, place)
        lake.reingest(ORDER, "run")
        wire.revive()
        assert levels(fast(world, source)) == {"a": place % 100, "b": 1}, f"the upload came before call {place}"


def test_an_upload_under_the_older_code_meanwhile_is_made_again_too(world: World) -> None:
    uploaded(world, "a", "b")
    wire = wired("s3", "dynamodb")

    def corrects() -> None:
        fast(world, OLD).ingest(world.upload("landing/readings/a.csv", f"{HEADER}a,9,,true\n"))

    lake = fast(world, DOUBLED)
    _beside(wire, corrects, 12)
    done = lake.reingest(ORDER, "run")
    wire.revive()
    assert done is not None
    assert (done.older, levels(lake)) == (0, {"a": 18, "b": 2})


def test_uploads_and_two_runs_at_once_end_with_every_file_made_once(world: World) -> None:
    uploaded(world, *[f"s{number}" for number in range(5)])
    wired("s3", "dynamodb")
    new = [world.upload(f"landing/readings/n{number}.csv", f"{HEADER}n{number},1,,true\n") for number in range(4)]
    with ThreadPoolExecutor(6) as pool:
        runs = [pool.submit(fast(world, DOUBLED).reingest, ORDER, f"run-{number}") for number in range(2)]
        uploads = [pool.submit(fast(world, DOUBLED).ingest, upload) for upload in new]
        for future in [*runs, *uploads]:
            future.result()
    lake = fast(world, DOUBLED)
    assert levels(lake) == {f"s{number}": 2 for number in range(5)} | {f"n{number}": 2 for number in range(4)}
    messages = [entry.commit.message for entry in lake.versions.dataset("sources/readings").log()]
    assert sum(message.startswith("Reingest") for message in messages) == 1
