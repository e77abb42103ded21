"""Lost answers and crashes: whatever happens between two writes, the old state or the new one is there."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from headwater.versions.errors import NothingToCommit
from tests.crashing import Killed, crash_points
from tests.unit.versions.cases import LAKE, MUTATING, Fault, World, at_write, world

RUNS = int(os.environ.get("HEADWATER_LOST_ANSWERS", "3"))
"""How often each verb is tried while answers are lost; `make nightly` asks for 200."""


def files(folder: Path, **texts: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
    return folder


Verb = Callable[[World, Path], object]
VERBS: dict[str, Verb] = {
    "commit": lambda w, _: w.data.commit("more"),
    "upload": lambda w, folder: w.data.upload(files(folder, a="uploaded", u="new"), "upload"),
    "import": lambda w, _: w.data.import_prefix("s3://lake/curated/", "import"),
    "merge": lambda w, _: w.data.merge("side"),
    "revert": lambda w, _: w.data.revert("main"),
    "reset": lambda w, _: w.data.reset("main~1"),
    "delete": lambda w, _: w.data.delete_ref("side"),
    "tag": lambda w, _: w.data.tag("v1"),
    "hook": lambda w, _: w.data.hooks.add("pre-merge", "rows", "functions.nowhere:rule"),
}


def prepare(world: World) -> None:
    world.s3.put_object(Bucket=LAKE, Key="curated/x", Body=b"x")
    world.commit({"a": "1", "b": "1"})
    world.data.create_branch("side")
    world.commit({"s": "1"}, "side")
    world.commit({"b": "2"})
    world.stage({"a": "staged", "c": "staged"})
    world.tick()


def state(world: World) -> object:
    """All that a reader can see: where every ref points, and what is there."""
    refs = {(ref.kind, ref.name): ref for ref in world.data.refs()}
    return (
        {key: {e.path: e.content for e in world.data.files(f"{key[0]}:{key[1]}")} for key in refs},
        {key: len(world.data.moves(key[1], key[0])) for key in refs},
        world.data.hooks.all(),
    )


def losing(run: int) -> Callable[[str], Fault]:
    """Mutating calls are applied, their answers lost, and sent again: all of them in the first run, then any."""
    chance = random.Random(run)
    return lambda operation: "resend" if operation in MUTATING and (run == 0 or chance.random() < 0.5) else None


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_whatever_answer_is_lost_or_wherever_it_crashes_the_outcome_is_the_same(
    verb: Verb, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with world() as clean:
        prepare(clean)
        before = state(clean)
        verb(clean, tmp_path / "folder")
        expected = state(clean)
        assert expected != before
    for run in range(RUNS):
        with world() as lossy:
            prepare(lossy)
            lossy.wire.fault = losing(run)
            verb(lossy, tmp_path / "folder")
            lossy.wire.revive()
            assert state(lossy) == expected
    with world() as crashing:
        prepare(crashing)
        for write in crash_points(0, request.node.name):
            crashing.restart(at_write(write, "kill"))
            try:
                verb(crashing, tmp_path / "folder")
            except Killed:
                crashing.restart()
                assert state(crashing) == before, write
            else:
                break
        crashing.restart()
        # What the crashes left behind is found, and taking it harms nothing.
        crashing.pass_time(days=8)
        crashing.versions.gc(dry_run=False)
        crashing.restart()
        assert state(crashing) == expected
        assert list(crashing.data.verify()) == []


def test_a_crash_after_each_write_of_a_commit_leaves_leftovers_that_gc_finds(world: World) -> None:
    world.commit({"a": "1"})
    for write in range(3):
        world.restart()
        world.stage({"a": f"other {write}"})
        world.restart(at_write(write, "kill"))
        with pytest.raises(Killed):
            world.data.commit(f"crash {write}")
    world.restart()
    # Nothing is old enough to be a leftover; later it is: two ranges, of one crash also the root, no commit.
    assert world.versions.gc()[:4] == (0, 0, 0, 0)
    world.pass_time(days=8)
    found = world.versions.gc()
    assert (found.commits, found.roots, found.ranges) == (0, 1, 2)
    assert world.versions.gc(dry_run=False)[:3] == found[:3]
    assert world.versions.gc()[:3] == (0, 0, 0)
    assert world.content() == {"a": "1"}


def test_a_stage_that_was_cut_off_is_committed_by_the_next_commit(world: World, tmp_path: Path) -> None:
    folder = files(tmp_path / "f", a="1", b="2", c="3")
    world.restart(at_write(2, "kill"))
    with pytest.raises(Killed):
        world.data.upload(folder, "all")
    world.restart()
    world.data.upload(folder, "all")
    assert world.content() == {"a": "1", "b": "2", "c": "3"}
    with pytest.raises(NothingToCommit):
        world.data.commit("nothing is left in the place")
