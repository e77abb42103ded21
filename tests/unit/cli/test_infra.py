"""`headwater infra` and `headwater bootstrap`: what they print for people, what for machines, and how they end."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from headwater import connect
from headwater.history.service import UpdateHistory
from headwater.history.store import GraphStore, HistoryTable, StateBucket
from headwater.history.types import StackName
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.cli.conftest import Run
from tests.unit.client.conftest import OUTPUTS, describe
from tests.unit.history.world import World, cli_checkpoint, with_delay

DEV = StackName(project="headwater", stack="dev")


@pytest.fixture
def world(stack: None) -> World:
    """Two updates of the stack: a delay of 60 s, then of 90 s, in the state bucket but not yet in the history."""
    for bucket in ("state", "artifacts"):
        CLIENTS("s3").create_bucket(Bucket=bucket)
        CLIENTS("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    world = World(
        UpdateHistory(
            StateBucket("state", CLIENTS), HistoryTable(Table("registry", CLIENTS)), GraphStore("artifacts", CLIENTS)
        )
    )
    world.update(cli_checkpoint(), of=DEV, message="sixty")
    world.update(with_delay(90), of=DEV, message="ninety", config={"headwater:key": {"secure": "v1:a:b"}})
    return world


def test_an_empty_history_says_how_to_fill_it(run: Run, stack: None) -> None:
    done = run("infra", "history")
    assert (done.code, done.out) == (0, "")
    assert "headwater infra sync" in done.err
    assert run("infra", "history", "--json").json == []
    assert run("infra", "show").code == 3
    assert run("infra", "sync").code == 3  # there is no state bucket
    assert "headwater bootstrap" in run("infra", "sync").err


def test_the_history_is_rebuilt_shown_and_compared(run: Run, world: World) -> None:
    assert run("infra", "sync", "--json").json == {"files": 4, "new": 4}
    listed = run("infra", "history", "--json").json
    assert [update["message"] for update in listed] == ["ninety", "sixty"]
    assert listed[0]["stack"] == "headwater/dev"
    shown = run("infra", "history")
    assert "ninety" in shown.out
    assert "ada@laptop" in shown.out
    assert "1 of 2 updates" in run("infra", "history", "-n", "1").err
    card = run("infra", "show", listed[1]["id"][:8])
    assert "c6a1c604a6c2 (dirty)" in card.out
    found = run("infra", "diff", "latest~1", "latest")
    assert "visibilityTimeoutSeconds: 60 -> 90" in found.out
    assert "can't be compared: value" in found.out
    changed = run("infra", "diff", "latest~1", "--json").json["changed"]
    assert changed[0]["properties"] == [{"path": "visibilityTimeoutSeconds", "before": 60, "after": 90}]
    assert "headwater:key = [secret]" in run("infra", "show").out
    assert "v1:" not in run("infra", "show", "--json").out


def test_what_existed_at_a_time(run: Run, world: World) -> None:
    run("infra", "sync")
    assert "aws:sqs/queue:Queue" in run("infra", "at", "2013-05-01T12:00:15Z").out
    found = run("infra", "at", "2013-05-01T12:00:25Z", "--json").json
    assert (found["update"]["message"], found["during"]["message"]) == ("sixty", "ninety")
    assert {"[secret]"} == {each["inputs"]["value"] for each in found["resources"] if each["name"] == "p"}


BAD = (
    (("show", "ffff"), 3, "no update 'ffff' of stack headwater/dev"),
    (("show", "latest~9"), 3, "stack headwater/dev has 2 updates"),
    (("diff", "abc"), 3, "no update 'abc'"),
    (("at", "2013-01-01T00:00Z"), 3, "no update of stack headwater/dev had ended by"),
    (("at", "2013-05-01"), 2, "has no time zone"),
    (("at", "noon"), 2, "'noon' is no time"),
    (("history", "--of", "dev"), 2, "expected PROJECT/STACK"),
    (("sync", "--history", "none.json"), 2, "none.json can't be read"),
)


def test_bad_input_is_one_line(run: Run, world: World) -> None:
    run("infra", "sync")
    for arguments, code, says in BAD:
        done = run("infra", *arguments)
        assert (done.code, done.out) == (code, ""), arguments
        assert says in done.err
        assert "Traceback" not in done.err


def test_a_restore_is_refused_with_every_reason(run: Run, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run("infra", "sync")
    monkeypatch.chdir(Path(__file__).parents[3])
    done = run("infra", "restore", "latest")
    assert (done.code, done.out) == (5, "")
    for reason in ("the tree differed from commit", "headwater:key", "isn't in the repository"):
        assert reason in done.err
    assert run("infra", "restore", "latest", "--apply", "--yes", "--json").json["reason"] == "RestoreRefused"


def test_another_backends_history_comes_from_stdin(run: Run, stack: None, monkeypatch: pytest.MonkeyPatch) -> None:
    describe("dev", {**OUTPUTS, "state_bucket": ""})
    told = run("infra", "sync")
    assert told.code == 3
    assert "pulumi stack history --json" in told.err
    entry = {"kind": "update", "startTime": "2013-05-01T12:00:00.000Z", "endTime": "2013-05-01T12:01:00.000Z",
             "result": "succeeded", "message": "elsewhere", "environment": {}, "config": {}, "version": 7}  # fmt: skip
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps([entry])))
    assert run("infra", "sync", "--history", "-", "--json").json == {"files": 1, "new": 1}
    assert "elsewhere" in run("infra", "history").out
    monkeypatch.setattr("sys.stdin", io.StringIO("{}"))
    assert run("infra", "sync", "--history", "-").code == 2


def test_the_python_client_does_the_same(world: World) -> None:
    infra = connect("dev").infra
    assert infra.sync().new == 4
    newest, oldest = infra.history()
    assert infra.show(oldest.id).update == oldest
    assert len(infra.diff(oldest.id, newest.id).changed) == 1
    assert infra.at(newest.ended_at).update == newest
    assert infra.stacks() == (DEV,)
    assert infra.history(StackName(project="headwater", stack="prod")) == ()
    assert infra.restore_plan("latest").refusals


def test_bootstrap_prints_the_commands(run: Run, stack: None) -> None:
    done = run("bootstrap")
    assert done.code == 0
    assert done.out.splitlines()[0] == "pulumi login 's3://headwater-state-123456789012-us-east-1?region=us-east-1'"
    assert "made" in done.err
    assert run("bootstrap", "--json").json["created"] is False
    assert run("bootstrap", "--kms-key", "alias/none").code == 3
