"""Moves of a ref are strictly serialisable: under throttling and lost answers none is lost and none is made twice."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.versions.errors import CommitCollected, RefMoved, RefsBusy
from headwater.versions.refs import Refs
from headwater.versions.types import RefMove
from tests.unit.registry.cases import TABLE
from tests.unit.versions.cases import Fault, Wire, World, at_write

WRITERS = 32
MOVES = int(os.environ.get("HEADWATER_REF_MOVES", "10"))
"""Moves of each writer; `make nightly` asks for 1,000."""


@dataclass(frozen=True)
class Attempt:
    """A move as its writer saw it: when it began and ended, and what it was told."""

    began: int
    ended: int
    expected: str | None
    to: str
    write_id: str
    outcome: str


class Ticks:
    """Numbers the events of all threads in the order in which they happen."""

    def __init__(self) -> None:
        self._lock, self._last = threading.Lock(), 0

    def __call__(self) -> int:
        with self._lock:
            self._last += 1
            return self._last


def check(history: list[Attempt], log: tuple[RefMove, ...]) -> None:
    """Prove from what the writers saw that the log is one order of the moves, which keeps their order in time."""
    # The log is a chain: each entry starts where the one before it ended.
    assert [move.sequence for move in log] == list(range(1, len(log) + 1))
    assert [move.before for move in log] == [None, *(move.to for move in log[:-1])]
    places = {move.write_id: place for place, move in enumerate(log)}
    assert len(places) == len(log), "a move was made twice"
    by_id = {attempt.write_id: attempt for attempt in history}
    # What was acknowledged is there, as it was asked for; what was refused isn't.
    for attempt in history:
        assert (attempt.write_id in places) == (attempt.outcome == "moved"), attempt
        if attempt.outcome == "moved":
            move = log[places[attempt.write_id]]
            assert (move.before, move.to) == (attempt.expected, attempt.to)
    # A move that ended before another began comes before it.
    latest_begin = 0
    for move in log:
        attempt = by_id[move.write_id]
        assert attempt.ended >= latest_begin, "the log's order contradicts time"
        latest_begin = max(latest_begin, attempt.began)


def commit(writer: int, number: int, salt: int = 0) -> str:
    return f"{writer:021x}{salt:021x}{number:022x}"


def refs(*, pause: Callable[[float], None] = lambda _: None) -> Refs:
    return Refs(Table(TABLE, CLIENTS), "flights", pause=pause)


def test_racing_writers_lose_no_move_and_make_none_twice(world: World) -> None:
    """32 writers on one branch; a fifth of the writes is throttled, and of some the answer is lost for good."""
    chance, ticks, history = random.Random(7), Ticks(), list[Attempt]()

    def fault(operation: str) -> Fault:
        if operation != "TransactWriteItems":
            return None
        drawn = chance.random()
        return "throttle" if drawn < 0.2 else "drop" if drawn < 0.25 else None

    world.wire.fault = fault
    # No retries of botocore's: each lost answer and each throttle is ours to deal with.
    store = Table(TABLE, CLIENTS)
    store._dynamodb = impatient(world.wire)
    turn = threading.Semaphore(2)  # a few at a time, or most time goes into losing races

    def write(writer: int) -> None:
        mine = Refs(store, "flights", now=lambda: datetime(2026, 1, 1, tzinfo=UTC), pause=lambda _: None)
        done = tried = 0
        while done < MOVES:
            tried += 1
            with turn:
                began = ticks()
                now = mine.get("branch", "main")
                expected, to, write_id = now and now.commit, commit(writer, done, tried), f"{writer}-{tried}"
                try:
                    mine.move("branch", "main", expected=expected, to=to, write_id=write_id)
                    outcome = "moved"
                    done += 1
                except RefMoved:
                    outcome = "refused"
                except RefsBusy:
                    outcome = "busy"
                history.append(Attempt(began, ticks(), expected, to, write_id, outcome))

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    log = refs().log("branch", "main")
    assert len(log) == WRITERS * MOVES
    check(history, log)
    assert refs().get("branch", "main") is not None
    assert (refs().get("branch", "main") or log[-1]).sequence == log[-1].sequence


def impatient(wire: Wire) -> object:
    import boto3
    from botocore.config import Config

    client = boto3.client("dynamodb", config=Config(retries={"total_max_attempts": 1}))
    wire.attach(client)
    return client


def test_the_checker_sees_what_is_wrong() -> None:
    first = RefMove(dataset="d", kind="branch", name="main", sequence=1, before=None, to="a" * 64, at=datetime.now(UTC),
                    write_id="1")  # fmt: skip
    second = first.model_copy(update={"sequence": 2, "before": "a" * 64, "to": "b" * 64, "write_id": "2"})
    one, two = Attempt(1, 2, None, "a" * 64, "1", "moved"), Attempt(3, 4, "a" * 64, "b" * 64, "2", "moved")
    check([one, two], (first, second))
    wrong: list[tuple[list[Attempt], tuple[RefMove, ...]]] = [
        ([one, two], (first,)),  # lost
        ([one, two], (first, second, second.model_copy(update={"sequence": 3, "before": "b" * 64}))),  # twice
        ([one, Attempt(3, 4, "a" * 64, "b" * 64, "2", "refused")], (first, second)),  # a false failure
        ([Attempt(9, 10, None, "a" * 64, "1", "moved"), two], (first, second)),  # against time
    ]
    for history, log in wrong:
        with pytest.raises(AssertionError):
            check(history, log)


@pytest.mark.parametrize("lost", ["resend", "drop"])
def test_a_move_whose_answer_is_lost_succeeds_once(world: World, lost: Fault) -> None:
    mine = refs()
    for number in range(50):
        expected = commit(0, number) if number else None
        world.wire.fault = at_write(0, lost)
        move = mine.move("branch", "main", expected=expected, to=commit(0, number + 1))
        assert move.sequence == number + 1
    assert len(mine.log("branch", "main")) == 50


def test_a_lost_answer_is_found_even_when_others_moved_on_since(world: World) -> None:
    mine, other = refs(), refs()

    class MovesOn(Table):
        def transact(self, writes: object) -> None:
            super().transact(writes)  # type: ignore[arg-type]
            other.move("branch", "main", expected=commit(0, 1), to=commit(1, 1))
            from headwater.storage.table import WriteRefused

            raise WriteRefused("lost")

    slow = Refs(MovesOn(TABLE, CLIENTS), "flights", pause=lambda _: None)
    assert slow.move("branch", "main", expected=None, to=commit(0, 1), write_id="mine").to == commit(0, 1)
    assert [move.to for move in mine.log("branch", "main")] == [commit(0, 1), commit(1, 1)]
    # The same decision carried out again, after all that, is still the one move: also when it would be possible anew.
    assert mine.move("branch", "main", expected=None, to=commit(0, 1), write_id="mine").sequence == 1
    assert mine.move("branch", "main", expected=commit(1, 1), to=commit(0, 1), write_id="mine").sequence == 1
    assert len(mine.log("branch", "main")) == 2


def test_a_stale_mover_changes_nothing(world: World) -> None:
    mine = refs()
    mine.move("branch", "main", expected=None, to=commit(0, 1))
    with pytest.raises(RefMoved, match="points at 000000000000, not at no commit"):
        mine.move("branch", "main", expected=None, to=commit(0, 2))
    with pytest.raises(RefMoved):
        mine.move("branch", "main", expected=commit(0, 9), to=None)
    assert len(mine.log("branch", "main")) == 1


def test_endless_throttling_ends_in_an_error_that_says_so(world: World) -> None:
    store = Table(TABLE, CLIENTS)
    store._dynamodb = impatient(world.wire)
    world.wire.fault = lambda operation: "throttle" if operation == "TransactWriteItems" else None
    waits: list[float] = []
    busy = Refs(store, "flights", pause=waits.append)
    with pytest.raises(RefsBusy):
        busy.move("branch", "main", expected=None, to=commit(0, 1))
    assert len(waits) >= 10
    assert max(waits) <= 1.0
    assert refs().log("branch", "main") == ()


def test_nothing_can_be_moved_to_what_gc_was_given(world: World) -> None:
    mine = refs()
    mine.condemn([commit(0, 1)])
    with pytest.raises(CommitCollected):
        mine.move("branch", "main", expected=None, to=commit(0, 1))
    with pytest.raises(CommitCollected):
        mine.move("branch", "main", expected=None, to=commit(0, 2), parents=[commit(0, 1)])
    mine.pardon([commit(0, 1)])
    mine.move("branch", "main", expected=None, to=commit(0, 1))


def test_the_wire_is_between_us_and_moto(world: World) -> None:
    world.commit({"a": "1"})
    assert world.wire.calls.count("TransactWriteItems") == 1
    assert world.wire.calls.count("PutObject") == 4  # the file, its range, the root, the commit
