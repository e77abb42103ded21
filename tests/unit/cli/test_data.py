"""`headwater data` from the first upload to a merge, and back in time."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.storage.environment import CLIENTS
from tests.unit.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("stack")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    (made / "2013").mkdir(parents=True)
    (made / "2013" / "01.csv").write_text("day,delay\n1,5\n")
    (made / "readme").write_text("flights")
    return made


def test_a_correction_can_be_looked_at_and_gone_back_from(run: Run, folder: Path, tmp_path: Path) -> None:
    first = run("data", "upload", "flights", str(folder), "-m", "January", "--meta", "month=2013-01", "--json").json
    assert (first["message"], first["meta"]) == ("January", {"month": "2013-01"})
    (folder / "2013" / "01.csv").write_text("day,delay\n1,50\n")
    assert "main points at" in run("data", "upload", "flights", str(folder), "-m", "corrected").err
    assert "month=2013-01" in run("data", "log", "flights").out
    assert [one["message"] for one in run("data", "log", "flights", "--json").json] == ["corrected", "January"]
    assert run("data", "diff", "flights", "main~1", "--json").json == [
        {"kind": "changed", "path": "2013/01.csv", "bytes_before": 14, "bytes_after": 15}]  # fmt: skip
    assert run("data", "cat", "flights", "2013/01.csv", first["commit"][:8]).out == "day,delay\n1,5\n"
    then = tmp_path / "then"
    assert run("data", "checkout", "flights", "main~1", str(then), "--json").json["written"] == 2
    assert (then / "2013" / "01.csv").read_text() == "day,delay\n1,5\n"
    assert run("data", "blame", "flights", "readme", "--json").json["commit"] == first["commit"]
    shown = run("data", "show", "flights").out
    assert [line.split() for line in shown.splitlines() if "01.csv" in line] == [["changed", "2013/01.csv"]]
    assert [one["path"] for one in run("data", "ls", "flights", "--json").json] == ["2013/", "readme"]
    assert run("data", "list", "--json").json[0]["files"] == 2
    assert run("data", "verify", "flights", "main~1").err == "all 2 files are there as they were committed\n"
    reverted = run("data", "revert", "flights", "main")
    assert reverted.code == 0
    assert run("data", "diff", "flights", "main~2", "--json").json == []


def test_branches_merge_conflict_and_are_decided(run: Run, folder: Path) -> None:
    run("data", "upload", "flights", str(folder), "-m", "January")
    assert run("data", "branch", "create", "flights", "fix").code == 0
    for branch, text in (("main", "ours"), ("fix", "theirs")):
        (folder / "readme").write_text(text)
        run("data", "upload", "flights", str(folder), "-m", text, "-b", branch)
    refused = run("data", "merge", "flights", "fix")
    assert (refused.code, refused.out) == (5, "")
    assert "changed the same paths (1): 'readme'" in refused.err
    assert run("data", "merge", "flights", "fix", "--strategy", "mine").code == 2
    assert run("data", "merge", "flights", "fix", "--strategy", "theirs", "--json").json["conflicts"] == ["readme"]
    assert run("data", "cat", "flights", "readme").out == "theirs"
    assert run("data", "tag", "flights", "v1", "--why", "released").code == 0
    assert [one["name"] for one in run("data", "branch", "list", "flights", "--json").json] == ["fix", "main", "v1"]
    assert run("data", "branch", "delete", "flights", "fix", "--yes").code == 0
    assert run("data", "reset", "flights", "main~1", "--yes").code == 0
    assert [one["why"] for one in run("data", "moves", "flights", "--json").json][-1] == "reset"
    assert "released" in run("data", "moves", "flights", "v1", "--tag").out


def test_what_is_staged_is_committed(run: Run) -> None:
    CLIENTS("s3").put_object(Bucket="lake", Key="data/rows@main/a", Body=b"1")
    staged = run("data", "status", "rows", "--json")
    assert staged.json == [{"path": "a", "state": "staged"}]
    assert "staged in s3://lake/data/rows@main/: 1 paths" in staged.err
    assert run("data", "commit", "rows", "-m", "first").code == 0
    assert run("data", "commit", "rows", "-m", "again").code == 5
    assert run("data", "import", "rows", "s3://lake/data/rows@main/", "-m", "no").code == 5


def test_hooks_are_kept_and_refuse(run: Run, folder: Path) -> None:
    assert run("data", "hook", "add", "flights", "pre-commit", "rule", "nowhere.module:rule").code == 0
    refused = run("data", "upload", "flights", str(folder), "-m", "x")
    assert refused.code == 5
    assert "hook 'rule' of dataset 'flights' refused" in refused.err
    assert run("data", "hook", "list", "flights", "--json").json[0]["target"] == "nowhere.module:rule"
    assert run("data", "hook", "remove", "flights", "pre-commit", "rule").code == 0
    assert run("data", "upload", "flights", str(folder), "-m", "x").code == 0


def test_verify_fails_and_names_what_is_gone(run: Run, folder: Path) -> None:
    run("data", "upload", "flights", str(folder), "-m", "x")
    key = "data/flights@main/readme"
    version = CLIENTS("s3").head_object(Bucket="lake", Key=key)["VersionId"]
    CLIENTS("s3").delete_object(Bucket="lake", Key=key, VersionId=version)
    done = run("data", "verify", "flights")
    assert done.code == 1
    assert f"gone: readme: s3://lake/{key} has no version {version}" in done.err


def test_gc_counts_first(run: Run, folder: Path) -> None:
    run("data", "upload", "flights", str(folder), "-m", "x")
    assert run("data", "gc", "--json").json == {"commits": 0, "roots": 0, "ranges": 0, "files": 0, "dry_run": True}
    assert run("data", "gc", "--run", "--yes").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("log", "none"), 3, "dataset 'none' has no commit"),
        (("log", "../x"), 2, "can't be a dataset's name"),
        (("upload", "x", "/nowhere", "-m", "x"), 2, "is no folder"),
        (("upload", "x", "/nowhere", "-m", "x", "--meta", "y"), 2, "expected key=value"),
    ],
)
def test_what_is_wrong_is_said_with_its_exit_code(run: Run, arguments: tuple[str, ...], code: int, words: str) -> None:
    done = run("data", *arguments)
    assert (done.code, done.out) == (code, "")
    assert words in done.err


def test_an_empty_lake_says_how_to_begin(run: Run) -> None:
    assert "headwater data upload" in run("data", "list").err
