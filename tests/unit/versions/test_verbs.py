"""What a person does with a dataset: commit, look back, branch, merge, undo."""

from __future__ import annotations

import pytest

from headwater.versions.errors import (
    AmbiguousRevision,
    Conflicts,
    DatasetNotFound,
    InvalidName,
    InvalidRevision,
    NothingToCommit,
    PathNotFound,
    RefExists,
    RevisionNotFound,
)
from headwater.versions.types import Entry
from tests.unit.versions.cases import LAKE, World, make_bucket


def test_a_commit_takes_what_changed_in_the_branchs_place(world: World) -> None:
    first = world.commit({"a.csv": "1", "b/c.csv": "2"}, message="January")
    assert world.content() == {"a.csv": "1", "b/c.csv": "2"}
    second = world.commit({"a.csv": "one", "b/c.csv": None, "d.csv": "4"})
    assert world.content() == {"a.csv": "one", "d.csv": "4"}
    assert world.content(first) == {"a.csv": "1", "b/c.csv": "2"}
    assert [(change.path, change.kind) for change in world.data.diff(first, "main")] == [
        ("a.csv", "changed"), ("b/c.csv", "removed"), ("d.csv", "added")]  # fmt: skip
    assert [(found.id, found.commit.message) for found in world.data.log()] == [(second, "more"), (first, "January")]
    assert [change.path for change in world.data.changes(first)] == ["a.csv", "b/c.csv"]


def test_what_is_staged_shows_before_it_is_committed(world: World) -> None:
    world.commit({"a": "1", "b": "2"})
    world.stage({"a": "one", "b": None, "c": "3"})
    staged = list(world.data.status())
    assert [(path, listed is None) for path, listed in staged] == [("a", False), ("b", True), ("c", False)]
    assert world.content() == {"a": "1", "b": "2"}


def test_a_commit_of_nothing_is_refused_unless_it_is_wanted(world: World) -> None:
    world.commit({"a": "1"})
    with pytest.raises(NothingToCommit):
        world.data.commit("again")
    assert world.data.commit("again", allow_empty=True).commit.message == "again"


def test_an_empty_dataset_can_be_committed_listed_and_merged(world: World) -> None:
    world.data.commit("nothing yet", allow_empty=True)
    assert (list(world.data.files()), world.data.tree().rows, list(world.data.verify())) == ([], 0, [])
    world.data.create_branch("b")
    world.commit({"a": "1"}, "b")
    world.data.merge("b")
    assert world.content() == {"a": "1"}


def test_two_people_ingest_to_two_branches_and_merge(world: World) -> None:
    world.commit({"both": "0"})
    for name in ("ann", "bob"):
        world.data.create_branch(name)
        world.commit({f"{name}.csv": name}, name)
        assert world.content(name) == {"both": "0", f"{name}.csv": name}
    world.data.merge("ann")
    assert world.data.commit_of("main").id == world.data.commit_of("ann").id  # fast forward
    merged = world.data.merge("bob", message="all of it")
    assert len(merged.commit.parents) == 2
    assert world.content() == {"both": "0", "ann.csv": "ann", "bob.csv": "bob"}
    with pytest.raises(NothingToCommit, match="holds all of 'bob' already"):
        world.data.merge("bob")


def test_what_was_merged_survives_the_next_commit_of_an_older_place(world: World) -> None:
    world.commit({"a": "old", "b": "1"})
    world.data.create_branch("fix")
    world.commit({"a": "new"}, "fix")
    world.data.merge("fix")
    # The place of main still holds the old "a", but nothing changed there.
    world.commit({"b": "2"})
    assert world.content() == {"a": "new", "b": "2"}


def test_a_merge_names_the_paths_in_conflict_and_a_strategy_decides(world: World) -> None:
    world.commit({"a": "0", "b": "0", "c": "0"})
    world.data.create_branch("bob")
    world.commit({"a": "bob", "b": None, "new": "same"}, "bob")
    world.data.commit("bob takes b away", branch="bob", edits=[("b", None)])
    world.commit({"a": "main", "b": "main", "new": "same"})
    before = world.data.resolve()
    with pytest.raises(Conflicts) as raised:
        world.data.merge("bob")
    assert raised.value.paths == ("a", "b")
    assert world.data.resolve() == before
    assert world.data.merge("bob", strategy="ours").conflicts == ("a", "b")
    assert world.content() == {"a": "main", "b": "main", "c": "0", "new": "same"}
    world.data.reset(before)
    world.data.merge("bob", strategy="theirs")
    assert world.content() == {"a": "bob", "c": "0", "new": "same"}


def test_a_revert_undoes_one_commit_and_a_later_change_of_its_paths_is_a_conflict(world: World) -> None:
    world.commit({"a": "1", "b": "1"})
    wrong = world.commit({"a": "wrong", "c": "3"})
    world.commit({"b": "2"})
    world.data.revert(wrong)
    assert world.content() == {"a": "1", "b": "2"}
    world.commit({"a": "again"})
    with pytest.raises(Conflicts, match=r"\('a'|: 'a'"):
        world.data.revert(wrong)
    world.data.create_branch("side", "main~3")
    with pytest.raises(RevisionNotFound, match="doesn't stand on"):
        world.data.revert("main", branch="side")


def test_a_reset_moves_the_branch_and_the_log_remembers(world: World) -> None:
    first, second = world.commit({"a": "1"}), world.commit({"a": "2"})
    world.data.reset(first, by="ann", why="wrong month")
    assert world.content() == {"a": "1"}
    log = world.data.moves()
    assert [(move.sequence, move.before, move.to) for move in log] == [
        (1, None, first), (2, first, second), (3, second, first)]  # fmt: skip
    assert (log[-1].by, log[-1].why) == ("ann", "wrong month")
    # What was reset away isn't staged again: the place is as it was at the last commit.
    assert list(world.data.status()) == []
    world.data.reset(second)
    assert world.content() == {"a": "2"}


def test_revisions_go_back_by_steps_by_time_and_by_digits(world: World) -> None:
    ids = [world.commit({"a": str(number)}) for number in range(3)]
    world.data.tag("v1", "main~1")
    for revision, expected in {
        "main": 2, "branch:main": 2, "main~": 1, "main~2": 0, "v1": 1, "tag:v1": 1, "v1~1": 0,
        ids[0]: 0, ids[1][:12]: 1,
        "main@{2026-11-01T00:02:30Z}": 1, "main@{2026-11-01T00:01:00}": 0, "main@{2026-12-01}~1": 1,
    }.items():  # fmt: skip
        assert world.data.resolve(revision) == ids[expected], revision


@pytest.mark.parametrize(
    ("revision", "error", "words"),
    [
        ("nobody", RevisionNotFound, "It has: branch main"),
        ("ffff", RevisionNotFound, "no branch, tag or commit"),
        ("main~9", RevisionNotFound, "has only 0 before it"),
        ("main@{2026-01-01}", RevisionNotFound, "its log begins at 2026-11-01 00:01:00"),
        ("main@{yesterday}", InvalidRevision, "expected a date"),
        ("", InvalidRevision, "expected a branch"),
        ("release:1", InvalidRevision, "expected a branch"),
    ],
)
def test_an_unknown_revision_says_what_there_is(
    world: World, revision: str, error: type[Exception], words: str
) -> None:
    world.commit({"a": "1"})
    with pytest.raises(error, match=words):
        world.data.resolve(revision)


def test_an_ambiguous_revision_names_the_candidates(world: World) -> None:
    world.commit({"a": "1"})
    world.data.create_branch("v1")
    world.data.tag("v1")
    with pytest.raises(AmbiguousRevision, match="a branch and a tag") as raised:
        world.data.resolve("v1")
    assert raised.value.next_steps == ("branch:v1", "tag:v1")
    first = world.data.commit_of().commit
    seen: dict[str, str] = {}
    for number in range(10_000):  # until two ids begin alike
        made = first.model_copy(update={"message": f"commit {number}"})
        if (twin := seen.setdefault(made.id[:4], made.message)) != made.message:
            break
    for message in (twin, made.message):
        body = first.model_copy(update={"message": message})
        world.s3.put_object(Bucket=LAKE, Key=f"versions/commits/{body.id}.json", Body=body.document)
    with pytest.raises(AmbiguousRevision, match=r"begins the ids of 2 commits"):
        world.data.resolve(made.id[:4])


def test_names_are_checked_and_taken_ones_refused(world: World) -> None:
    world.commit({"a": "1"})
    world.data.create_branch("b")
    with pytest.raises(RefExists):
        world.data.create_branch("b")
    for name in ("", "a b", "x@y", "a#b", "../up", "~1", "a" * 129, "0" * 64):
        with pytest.raises(InvalidName):
            world.data.create_branch(name)
        with pytest.raises((InvalidName, DatasetNotFound)):
            world.versions.dataset(name).resolve()
    with pytest.raises(DatasetNotFound, match="has no commit"):
        world.versions.dataset("other").resolve()
    assert world.versions.datasets() == ("flights",)


def test_a_deleted_branch_is_gone_and_can_be_made_again_under_one_log(world: World) -> None:
    world.commit({"a": "1"})
    world.data.create_branch("b")
    world.data.delete_ref("b")
    with pytest.raises(RevisionNotFound):
        world.data.resolve("b")
    with pytest.raises(RevisionNotFound):
        world.data.delete_ref("b")
    world.data.create_branch("b")
    assert [move.to is None for move in world.data.moves("b")] == [False, True, False]


def test_a_listing_folds_folders(world: World) -> None:
    world.commit({"2013/01.csv": "12", "2013/02.csv": "3", "2013.txt": "4", "z": ""})
    shown = [(one.path, one.size, one.files) for one in world.data.ls()]
    assert shown == [("2013.txt", 1, 1), ("2013/", 3, 2), ("z", 0, 1)]
    assert [one.path for one in world.data.ls(path="2013")] == ["2013/01.csv", "2013/02.csv"]
    assert [one.path for one in world.data.ls(path="2013/01.csv")] == ["2013/01.csv"]
    with pytest.raises(PathNotFound):
        list(world.data.ls(path="2014"))


def test_blame_finds_the_commit_that_brought_a_version_through_merges(world: World) -> None:
    first = world.commit({"a": "1", "b": "1"})
    world.data.create_branch("x")
    there = world.commit({"b": "2"}, "x")
    world.commit({"c": "3"})
    world.data.merge("x")
    assert (world.data.blame("a").id, world.data.blame("b").id) == (first, there)
    with pytest.raises(PathNotFound):
        world.data.blame("none")


def test_an_import_pins_a_foreign_prefix_without_copying_and_follows_it(world: World) -> None:
    make_bucket("other")
    for key in ("day/1", "day/2", "day2/x", "daybreak"):
        world.s3.put_object(Bucket="other", Key=key, Body=key.encode())
    world.commit({"mine": "0"})
    objects = len(world.s3.list_objects_v2(Bucket=LAKE, Prefix="data/")["Contents"])
    world.data.import_prefix("s3://other/day", "days")
    assert world.content() == {"mine": "0", "1": "day/1", "2": "day/2"}
    assert len(world.s3.list_objects_v2(Bucket=LAKE, Prefix="data/")["Contents"]) == objects
    with pytest.raises(NothingToCommit):
        world.data.import_prefix("s3://other/day/", "days")
    world.s3.delete_object(Bucket="other", Key="day/1")
    world.s3.put_object(Bucket="other", Key="day/2", Body=b"two")
    world.data.import_prefix("s3://other/day/", "days, corrected")
    assert world.content() == {"mine": "0", "2": "two"}
    assert world.content("main~1") == {"mine": "0", "1": "day/1", "2": "day/2"}


def test_edits_pin_objects_that_lie_elsewhere(world: World) -> None:
    make_bucket("runs")
    version = world.s3.put_object(Bucket="runs", Key="r1/model.onnx", Body=b"onnx")["VersionId"]
    models = world.versions.dataset("models/delays")
    found = models.pin("s3://runs/r1", "model.onnx", version)
    assert isinstance(found, Entry)
    made = models.commit("run r1", edits=[("model.onnx", found)], meta={"run": "r1"}, write_id="r1")
    assert models.commit("run r1", edits=[("model.onnx", found)], meta={"run": "r1"}, write_id="r1").id == made.id
    world.s3.delete_object(Bucket="runs", Key="r1/model.onnx")
    assert models.read("model.onnx") == b"onnx"


def test_a_clock_that_runs_backwards_puts_nothing_out_of_order(world: World) -> None:
    first = world.commit({"a": "1"})
    world.tick(days=-30)
    second = world.commit({"a": "2"})
    commits = [found.commit for found in world.data.log()]
    assert [found.id for found in world.data.log()] == [second, first]
    assert commits[0].time >= commits[1].time
    assert world.data.moves()[1].at >= world.data.moves()[0].at
