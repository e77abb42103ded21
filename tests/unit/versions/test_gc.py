"""Gc takes what nothing leads to, late, and never what somebody may be about to use."""

from __future__ import annotations

from datetime import timedelta

import pytest

from headwater.errors import HeadwaterError
from headwater.versions.errors import CommitCollected, CommitTooSlow
from headwater.versions.hooks import Proposal
from tests.unit.versions import cases
from tests.unit.versions.cases import LAKE, World


def stored(world: World, prefix: str) -> int:
    return len(world.s3.list_object_versions(Bucket=LAKE, Prefix=prefix).get("Versions", ()))


def abandon(world: World, text: str = "1") -> str:
    """Commit to a branch and take the branch away; the commit that nothing leads to."""
    world.data.create_branch("side")
    lost = world.commit({"a": text}, "side")
    world.data.delete_ref("side")
    return lost


def test_what_refs_and_their_history_lead_to_stays(world: World) -> None:
    for number in range(3):
        world.commit({"a": str(number)})
    world.data.tag("v1", "main~1")
    world.data.reset("main~2")
    abandon(world)
    world.pass_time(days=30)
    # Both of the commits that are in nobody's history. Of the third tree of main the branch still knows that it is
    # what its place holds, so it stays.
    assert world.versions.gc(dry_run=False)[:3] == (2, 1, 1)
    assert (world.content("main"), world.content("v1")) == ({"a": "0"}, {"a": "1"})
    assert list(world.data.verify("v1")) == []


def test_what_was_left_a_moment_ago_stays_for_the_grace_time(world: World) -> None:
    world.commit({"a": "0"})
    lost = world.commit({"a": "1"})
    world.pass_time(days=30)
    world.data.reset("main~1")
    world.pass_time(days=6)
    assert world.versions.gc(dry_run=False)[:3] == (0, 0, 0)
    world.data.create_branch("rescued", lost)
    world.pass_time(days=30)
    assert world.versions.gc(dry_run=False)[:3] == (0, 0, 0)
    assert world.content("rescued") == {"a": "1"}


def test_a_dry_run_counts_and_takes_nothing(world: World) -> None:
    world.commit({"a": "0"})
    abandon(world)
    world.pass_time(days=30)
    before = stored(world, "versions/")
    assert world.versions.gc()[:3] == (1, 1, 1)
    assert stored(world, "versions/") == before


def test_uploaded_versions_go_when_nothing_pins_them_and_a_newer_one_is_there(world: World) -> None:
    world.stage({"a": "never committed", "staged": "not yet"})
    world.commit({"a": "1"})
    world.commit({"a": "2"})
    world.data.delete_ref("main")
    world.data.create_branch("main", world.data.moves()[0].to or "")
    world.pass_time(days=30)
    found = world.versions.gc(dry_run=False)
    # "never committed" only: what the second commit pinned is the newest of its key, and stays.
    assert found.files == 1
    assert world.content() == {"a": "1", "staged": "not yet"}


def test_objects_of_other_prefixes_are_never_touched(world: World) -> None:
    for body in (b"1", b"2"):
        world.s3.put_object(Bucket=LAKE, Key="curated/flights/x", Body=body)
    world.data.import_prefix("s3://lake/curated/flights", "x")
    world.data.delete_ref("main")
    world.pass_time(days=365)
    assert world.versions.gc(dry_run=False).files == 0
    assert stored(world, "curated/") == 2


def test_a_commit_that_needs_an_old_leftover_makes_it_young_again(world: World) -> None:
    """The race: gc has listed a range as a leftover, and a commit finds it there and relies on it."""
    world.commit({"a": "0"})
    edit = ("a", next(iter(world.data.files(abandon(world)))))
    world.pass_time(days=30)
    seen: list[str] = []

    # Half way through gc, after it has listed: somebody commits the very tree that is about to go.
    def meanwhile(operation: str) -> None:
        if operation == "DeleteObject" and not seen:
            seen.append(world.data.commit("the same again", edits=[edit]).id)

    world.wire.fault = meanwhile
    assert world.versions.gc(dry_run=False).ranges == 1
    world.restart()
    assert seen
    assert world.data.resolve() == seen[0]
    assert world.content() == {"a": "1"}
    assert list(world.data.verify()) == []


def test_a_ref_made_while_gc_decides_is_either_seen_or_refused() -> None:
    """A branch is made at a commit that goes, before each fourth call of gc: never does it point into nothing."""
    outcomes = []
    for call in range(0, 100, 4):
        with cases.world() as racing:
            racing.commit({"a": "kept"})
            lost = racing.commit({"a": "lost"})
            racing.data.reset("main~1")
            racing.pass_time(days=30)
            racing.restart()
            tried = make_branch_before(racing, call, lost)
            racing.versions.gc(dry_run=False)
            racing.restart()
            if not tried:
                break
            outcomes.append(tried[0])
            if tried[0] == "made":
                assert racing.content("late") == {"a": "lost"}
            else:
                assert [ref.name for ref in racing.data.refs()] == ["main"]
    assert set(outcomes) >= {"made", "CommitCollected"}


def make_branch_before(racing: World, call: int, lost: str) -> list[str]:
    """Another process makes a branch before that call of this one; what came of it, once it did."""
    other = racing.open().dataset("flights")
    seen, tried = iter(range(10_000)), list[str]()

    def meanwhile(_: str) -> None:
        if not tried and next(seen) == call:
            tried.append("")
            try:
                other.create_branch("late", lost)
                tried[0] = "made"
            except HeadwaterError as error:
                tried[0] = error.reason

    racing.wire.fault = meanwhile
    return tried


def test_a_condemned_commit_is_refused_by_name(world: World) -> None:
    world.commit({"a": "0"})
    lost = world.commit({"a": "1"})
    world.data.reset("main~1")
    world.data._refs.condemn([lost])
    with pytest.raises(CommitCollected, match=f"commit {lost[:12]} .* was given to gc"):
        world.data.create_branch("late", lost)
    with pytest.raises(CommitCollected):
        world.data.merge(lost)


def test_a_commit_that_takes_half_of_the_grace_time_is_refused(world: World) -> None:
    seconds = iter([0.0, 3.6e5, 0.0, 2e5])

    def slow(_: Proposal) -> None:
        """A hook that takes days."""

    data = world.open(elapsed=lambda: next(seconds)).dataset("flights", hooks={"pre-commit": [slow]})
    world.stage({"a": "1"})
    with pytest.raises(CommitTooSlow, match="took 360000 s"):
        data.commit("slow")
    assert world.data.refs() == ()
    data.commit("in time")


def test_a_grace_time_without_room_for_a_commit_is_refused(world: World) -> None:
    with pytest.raises(HeadwaterError, match="below an hour"):
        world.open(grace=timedelta(minutes=1)).gc(dry_run=False)
