"""Hooks refuse what breaks a rule; a commit's files are read as rows at exactly the pinned versions."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from botocore.awsrequest import AWSResponse

from headwater.storage.environment import CLIENTS
from headwater.versions.errors import HookRefused, InvalidName, PathNotFound
from headwater.versions.hooks import Proposal
from headwater.versions.tables import NotATable
from tests.unit.versions.cases import LAKE, World

ARN = "arn:aws:lambda:us-east-1:123456789012:function:rule"


def no_removals(proposal: Proposal) -> None:
    """A rule that tests register by name."""
    gone = [change.path for change in proposal.changes() if change.after is None]
    if gone:
        raise ValueError(f"{', '.join(gone)} would be gone")


def test_a_pre_commit_hook_refuses_and_nothing_changes(world: World) -> None:
    world.commit({"a": "1", "b": "2"})
    world.data.hooks.add("pre-commit", "keep", f"{__name__}:no_removals")
    assert [hook.name for hook in world.data.hooks.all()] == ["keep"]
    with pytest.raises(HookRefused, match=r"pre-commit hook 'keep' of dataset 'flights' refused: .*b would be gone"):
        world.commit({"b": None})
    assert world.content() == {"a": "1", "b": "2"}
    world.data.hooks.remove("pre-commit", "keep")
    world.data.commit("now")
    assert world.content() == {"a": "1"}


def test_a_pre_merge_hook_judges_merges_alone_and_sees_the_whole_tree(world: World) -> None:
    seen: list[tuple[str, str, list[str], list[str]]] = []

    def rule(proposal: Proposal) -> None:
        paths = [entry.path for entry in proposal.entries()]
        seen.append((proposal.event, proposal.branch, paths, [change.path for change in proposal.changes()]))
        if len(paths) > 2:
            raise HookRefused("more than two files")

    world.data = world.versions.dataset("flights", hooks={"pre-merge": [rule]})
    world.commit({"a": "1"})
    world.data.create_branch("x")
    world.commit({"b": "2"}, "x")
    world.data.merge("x")
    world.commit({"c": "3"}, "x")
    with pytest.raises(HookRefused, match="more than two files"):
        world.data.merge("x")
    assert seen == [("pre-merge", "main", ["a", "b"], ["b"]), ("pre-merge", "main", ["a", "b", "c"], ["c"])]


@pytest.mark.parametrize("target", ["nowhere.at.all:rule", f"{__name__}:missing"])
def test_a_hook_that_cannot_be_asked_refuses(world: World, target: str) -> None:
    world.data.hooks.add("pre-commit", "lost", target)
    with pytest.raises(HookRefused, match="can't be imported"):
        world.commit({"a": "1"})


def test_a_hook_needs_a_target_that_can_be_one(world: World) -> None:
    with pytest.raises(InvalidName, match="ARN or module:callable"):
        world.data.hooks.add("pre-commit", "x", "rule")
    with pytest.raises(InvalidName, match="pre-commit, pre-merge"):
        world.data.hooks.add("post-commit", "x", "a:b")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ({"allow": True}, "", ""),
        ({"allow": False, "reason": "too few rows"}, "", "too few rows"),
        ({"allow": "yes"}, "", "expected"),
        (None, "", "answered None"),
        ({"errorMessage": "boom"}, "Unhandled", "failed: boom"),
    ],
)
def test_a_function_is_told_what_would_change_and_decides(world: World, answer: Any, error: str, words: str) -> None:
    asked: list[dict[str, Any]] = []
    answer_lambda(lambda body: asked.append(json.loads(body)) or answer, error)
    world.data.hooks.add("pre-commit", "rows", ARN)
    if words:
        with pytest.raises(HookRefused, match=words):
            world.commit({"a": "1"})
        assert world.data.refs() == ()
    else:
        world.commit({"a": "1"})
    (told,) = asked
    assert (told["event"], told["dataset"], told["branch"], told["complete"]) == ("pre-commit", "flights", "main", True)
    assert told["counts"] == {"added": 1, "changed": 0, "removed": 0, "repinned": 0}
    assert told["changes"][0]["after"]["size"] == 1


def answer_lambda(answer: Callable[[bytes], Any], error: str) -> None:
    """Let Lambda's Invoke answer so: moto would need Docker to run a function."""

    class Raw(io.BytesIO):
        def stream(self, **_: object) -> Any:
            yield self.read()

    def respond(request: Any, **_: object) -> AWSResponse:
        headers = {"x-amz-function-error": error} if error else {}
        return AWSResponse(request.url, 200, headers, Raw(json.dumps(answer(request.body)).encode()))

    lambda_ = CLIENTS("lambda")
    lambda_.meta.events.register_first("before-send", respond)
    from moto.core.models import botocore_stubber

    lambda_.meta.events.unregister("before-send", botocore_stubber)


def test_rows_are_those_of_the_pinned_versions(world: World, tmp_path: Path) -> None:
    first = world.commit({"2013/01.csv": "day,delay\n1,5\n2,\n", "2013/02.csv": "day,delay,note\n3,7,x\n"})
    world.commit({"2013/01.csv": "day,delay\n1,50\n"})
    for one in world.s3.list_objects_v2(Bucket=LAKE, Prefix="data/")["Contents"]:
        world.s3.put_object(Bucket=LAKE, Key=one["Key"], Body=b"nonsense")
    assert world.data.to_pandas(first)["delay"].sum() == 12
    assert world.data.to_pandas("main")["delay"].sum() == 57
    assert world.data.to_arrow(first, "2013/01").to_pylist() == [{"day": 1, "delay": 5}, {"day": 2, "delay": None}]
    with duckdb.connect() as connection:
        world.data.to_duckdb(connection, "delays", tmp_path, first)
        assert connection.execute("SELECT count(*), max(note) FROM delays").fetchone() == (3, "x")


def test_files_that_are_no_rows_of_one_table_are_refused(world: World) -> None:
    world.commit({"a.csv": "x\n1\n", "b.txt": "text"})
    with pytest.raises(NotATable, match=r"\.csv, \.txt"):
        world.data.to_pandas()
    with pytest.raises(PathNotFound):
        world.data.to_pandas(prefix="none/")
