"""A pointer and its log move together, once, whoever else moves it and whichever answers are lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pytest

from headwater.storage.environment import CLIENTS
from headwater.storage.pointers import Last, LoggedPointer, Proposal
from headwater.storage.table import Table, WriteRefused
from tests.unit.registry.cases import TABLE, LosesAnswers, make_table, mocked_aws


class Step(NamedTuple):
    sequence: int
    before: str | None
    to: str | None
    write_id: str


class Elsewhere(Exception):
    """The pointer isn't where its mover expects it."""


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    with mocked_aws(monkeypatch):
        make_table()
        yield Table(TABLE, CLIENTS)


def pointer(table: Table) -> LoggedPointer:
    return LoggedPointer(table, "THING#a", "POINTER", log="LOG#", target="at", pause=lambda _: None)


def step(write_id: str, expected: str | None, to: str | None) -> Callable[[Last | None], Proposal]:
    def propose(last: Last | None) -> Proposal:
        if (last.to if last else None) != expected:
            raise Elsewhere
        move = Step(last.sequence + 1 if last else 1, expected, to, write_id)
        return Proposal(entry=move._asdict(), fields={"owner": "me"})

    return propose


def moves(found: LoggedPointer) -> list[tuple[str | None, str | None, str]]:
    return [(entry["before"], entry["to"], entry["write_id"]) for entry in found.log()]


def test_each_move_sets_the_pointer_and_appends_to_its_log(table: Table) -> None:
    mine = pointer(table)
    assert mine.last() is None
    for number, (before, to) in enumerate([(None, "x"), ("x", "y"), ("y", None), (None, "z")], start=1):
        made = mine.move(step(f"w{number}", before, to), count=3)
        assert made is not None
        assert made == mine.entry(number)
        last = mine.last()
        assert last is not None
        assert (last.to, last.sequence, last.item["write_id"]) == (to, number, f"w{number}")
    assert moves(mine) == [(None, "x", "w1"), ("x", "y", "w2"), ("y", None, "w3"), (None, "z", "w4")]
    assert table.get("THING#a", "POINTER") == {
        "pk": "THING#a", "sk": "POINTER", "at": "z", "owner": "me", "sequence": 4, "write_id": "w4"
    }  # fmt: skip


def test_a_move_whose_answer_was_lost_is_found_in_the_log(table: Table) -> None:
    made = pointer(LosesAnswers(TABLE)).move(step("mine", None, "x"), count=3)
    assert made is not None
    assert made["sequence"] == 1
    assert moves(pointer(table)) == [(None, "x", "mine")]


def test_a_proposal_is_made_anew_when_another_mover_came_first(table: Table) -> None:
    class Overtaken(Table):
        def transact(self, writes: Sequence[Mapping[str, Any]]) -> None:
            if not moves(pointer(table)):
                pointer(table).move(step("theirs", None, "y"), count=1)
            super().transact(writes)

    with pytest.raises(Elsewhere):
        pointer(Overtaken(TABLE, CLIENTS)).move(step("mine", None, "x"), count=3)
    assert moves(pointer(table)) == [(None, "y", "theirs")]


def test_a_mover_that_is_never_first_changes_nothing(table: Table) -> None:
    class NeverFirst(Table):
        def transact(self, writes: Sequence[Mapping[str, Any]]) -> None:
            raise WriteRefused("TransactionConflict")

    refusals: list[str] = []
    found = pointer(NeverFirst(TABLE, CLIENTS)).move(
        step("mine", None, "x"), refused=lambda: refusals.append("!"), count=4
    )
    assert found is None
    assert len(refusals) == 4
    assert moves(pointer(table)) == []


def test_a_single_write_says_whether_its_condition_held(table: Table) -> None:
    item = {"pk": "THING#a", "sk": "ONCE", "count": 1}
    assert table.write(table.put(item, only_if="attribute_not_exists(pk)"))
    assert not table.write(table.put(item | {"count": 2}, only_if="attribute_not_exists(pk)"))
    assert table.get("THING#a", "ONCE") == item
    assert table.write(table.put(item | {"count": 2}, only_if="#count < :count", count=2))
