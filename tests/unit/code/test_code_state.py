"""A folder's state as git tells it: commit, cleanliness, hashes and diff, without a write to the repository."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from headwater.code.service import describe, head_of, start_of
from headwater.code.types import CodeState, Limits
from tests.unit.code.repositories import commit, git, put, repository


def untouched(project: Path) -> dict[str, bytes]:
    """Every file of the repository itself, byte by byte, and the time of its index."""
    found = {str(path): path.read_bytes() for path in sorted((project / ".git").rglob("*")) if path.is_file()}
    return found | {"index": str((project / ".git" / "index").stat().st_mtime_ns).encode()}


def test_a_clean_tree_is_told_by_its_commit(project: Path) -> None:
    state, diff = describe(project)
    assert state.commit == git(project, "rev-parse", "HEAD")
    assert (state.clean, state.tree) == (True, git(project, "rev-parse", "HEAD^{tree}"))
    assert (state.remote, state.name) == ("https://example.com/acme/flights.git", "example.com/acme/flights")
    assert (state.path, state.diff, diff, state.reason, state.notes) == ("", "", b"", "", ())
    assert len(state.content) == 64
    assert str(state) == f"{state.commit[:12]}, clean"


def test_a_changed_tree_has_the_hash_that_a_commit_of_it_would_have(project: Path) -> None:
    put(project, "pipelines/flights/product.py", "rows = 2\n")
    put(project, "pipelines/flights/new.py", "new = 1\n")
    put(project, "noise.log", "ignored")
    put(project, ".headwater/bundles/some.zip", "x")
    put(project, "pipelines/__pycache__/product.pyc", "x")
    git(project, "add", "pipelines/flights/new.py")
    before = untouched(project)
    state, diff = describe(project)
    assert untouched(project) == before
    assert (state.clean, state.is_diff_kept, state.reason) == (False, True, "")
    assert state.diff == hashlib.sha256(diff).hexdigest()
    assert state.diff_key == f"code/diffs/{state.diff}.patch.gz"
    assert b"+rows = 2\n" in diff
    assert b"+new = 1\n" in diff
    # The patch makes the tree again.
    fresh = project.parent / "fresh"
    git(project.parent, "clone", "--quiet", str(project), str(fresh))
    put(fresh, "../a.patch", diff)
    git(fresh, "apply", "--index", str(fresh / ".." / "a.patch"))
    assert git(fresh, "write-tree") == state.tree
    git(project, "reset", "--quiet")
    commit(project)
    assert git(project, "rev-parse", "HEAD^{tree}") == state.tree


def test_what_git_was_told_not_to_ignore_of_a_deployment_does_not_count(project: Path) -> None:
    put(project, ".gitignore", "")
    commit(project)
    put(project, ".headwater/bundles/some.zip", "x")
    put(project, "pipelines/__pycache__/product.pyc", "x")
    put(project, "cloud/state.json", "x")
    (project / ".venv").symlink_to("/usr")  # as in the worktree of a restore
    assert describe(project, without=["cloud"]).state.clean is True
    assert describe(project).state.clean is False


def test_equal_states_have_equal_names_and_another_one_another(project: Path) -> None:
    first, again = describe(project).state, describe(project).state
    assert (first, first.sha256, first.document) == (again, again.sha256, again.document)
    assert first.key == f"code/state/{first.sha256}.json"
    assert CodeState.model_validate_json(first.document) == first
    put(project, "README.md", "x")
    assert describe(project).state.sha256 != first.sha256


def test_a_file_that_changed_within_the_tick_of_the_index_is_seen(project: Path) -> None:
    path = project / "pipelines/flights/product.py"
    at = time.time_ns()
    for file in (path, project / ".git/index"):
        os.utime(file, ns=(at, at))
    git(project, "update-index", "--refresh")
    git(project, "add", "--all")
    for file in (path, project / ".git/index"):
        os.utime(file, ns=(at, at))
    path.write_text("rows = 7\n")  # as long as before
    os.utime(path, ns=(at, at))
    assert describe(project).state.clean is False


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_a_change_that_git_was_told_not_to_see_is_seen(project: Path, flag: str) -> None:
    git(project, "update-index", flag, "pipelines/flights/product.py")
    put(project, "pipelines/flights/product.py", "rows = 2\n")
    assert git(project, "status", "--porcelain") == ""
    state, diff = describe(project)
    assert state.clean is False
    assert b"+rows = 2\n" in diff


def test_a_sparse_checkout_is_clean(project: Path) -> None:
    put(project, "other/large.txt", "x")
    commit(project)
    git(project, "sparse-checkout", "set", "pipelines")
    assert not (project / "other").exists()
    assert describe(project).state.clean is True
    put(project, "elsewhere/new.txt", "x")
    state, diff = describe(project)
    assert (state.clean, b"elsewhere/new.txt" in diff) == (False, True)


def test_a_project_in_a_part_of_a_repository_is_told_apart_from_the_rest(tmp_path: Path) -> None:
    whole = repository(tmp_path / "mono")
    project = repository_part(whole)
    put(whole, "elsewhere.txt", "somebody else's")
    state, _ = describe(project)
    assert (state.path, state.clean) == ("ml/fläche", True)
    assert state.tree == git(whole, "rev-parse", "HEAD:ml/fläche")
    put(project, "pipelines/a.py", "a = 2\n")
    state, diff = describe(project)
    assert (state.clean, b"elsewhere" in diff, b"a/ml/fl" in diff) == (False, False, True)


def repository_part(whole: Path) -> Path:
    put(whole, "ml/fläche/pipelines/a.py", "a = 1\n")
    commit(whole)
    return whole / "ml" / "fläche"


def test_a_deployed_file_that_git_ignores_makes_the_tree_unclean(project: Path) -> None:
    put(project, "pipelines/flights/rules.log", "deployed, and no commit tells it")
    put(project, "elsewhere.log", "not deployed")
    state, diff = describe(project)
    assert (state.ignored, state.clean, diff) == (("pipelines/flights/rules.log",), False, b"")
    assert state.tree == git(project, "rev-parse", "HEAD^{tree}")


def test_a_link_a_right_and_a_deletion_are_changes(project: Path) -> None:
    put(project, "run.sh", "#!/bin/sh\n")
    put(project, "gone.py", "x = 1\n")
    commit(project)
    (project / "run.sh").chmod(0o755)
    (project / "gone.py").unlink()
    (project / "link").symlink_to("run.sh")
    state, diff = describe(project)
    for line in (b"new mode 100755", b"deleted file mode", b"new file mode 120000"):
        assert line in diff
    git(project, "add", "--all")
    assert git(project, "write-tree") == state.tree


def test_files_folders_and_links_that_changed_places_are_changes(project: Path) -> None:
    for name in ("folder/x.py", "file", "linked/y.py"):
        put(project, name, "1\n")
    commit(project)
    (project / "folder" / "x.py").unlink()
    (project / "folder").rmdir()
    put(project, "folder", "a file\n")
    (project / "file").unlink()
    put(project, "file/z.py", "2\n")
    (project / "linked").rename(project / "real")
    (project / "linked").symlink_to("real")
    state, diff = describe(project)
    assert (state.reason, state.is_diff_kept, b"real/y.py" in diff) == ("", True, True)
    git(project, "add", "--all")
    assert git(project, "write-tree") == state.tree


def test_binary_files_are_named_and_left_out_of_the_diff(project: Path) -> None:
    put(project, "a b.bin", b"\0\1\2")
    put(project, "pipelines/flights/product.py", "rows = 2\n")
    state, diff = describe(project)
    assert (state.left_out, state.is_diff_kept) == (("a b.bin",), True)
    assert b"a b.bin" not in diff
    git(project, "checkout", "--quiet", "pipelines")
    state, diff = describe(project)
    assert (state.left_out, state.is_diff_kept, diff) == (("a b.bin",), False, b"")
    assert state.reason == "there is no diff to keep: nothing but binary files changed"


def test_a_conflict_that_is_not_resolved_is_no_failure(project: Path) -> None:
    git(project, "checkout", "--quiet", "-b", "side")
    put(project, "pipelines/flights/product.py", "rows = 2\n")
    commit(project)
    git(project, "checkout", "--quiet", "main")
    put(project, "pipelines/flights/product.py", "rows = 3\n")
    commit(project)
    with pytest.raises(AssertionError):
        git(project, "merge", "--quiet", "side")
    state, diff = describe(project)
    assert (state.clean, b"<<<<<<<" in diff, state.reason) == (False, True, "")


def test_a_diff_that_is_too_large_is_hashed_and_not_kept(project: Path) -> None:
    put(project, "notes.txt", "a line\n" * 1000)
    state, diff = describe(project, limits=Limits(diff_bytes=1000))
    assert (diff, state.is_diff_kept, state.diff_key, len(state.diff)) == (b"", False, "", 64)
    assert state.diff_bytes > 7000
    assert state.reason == f"the diff isn't kept: it is too large, {state.diff_bytes:,} bytes"
    assert (state.clean, len(state.tree)) == (False, 40)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(changed_files=2), "3 files changed or are new, the tree's hash is made of at most 2"),
        (Limits(changed_bytes=50), "at most 50; add what isn't code to .gitignore, such as data-1.csv"),
    ],
)
def test_data_beside_the_code_leaves_the_commit_and_says_what_to_do(project: Path, limits: Limits, words: str) -> None:
    for number in range(3):
        put(project, f"data-{number}.csv", "x" * (40 if number == 1 else 10))
    state, diff = describe(project, limits=limits)
    assert words in state.reason
    assert ".gitignore" in state.reason
    assert (state.commit, state.tree, state.clean, diff) == (git(project, "rev-parse", "HEAD"), "", None, b"")


def test_the_quick_questions_are_answered_alike(project: Path) -> None:
    commit_id = git(project, "rev-parse", "HEAD")
    assert head_of(project) == (commit_id, "main", "https://example.com/acme/flights.git", "")
    assert start_of(project) == (commit_id, True)
    put(project, "new.txt", "x")
    assert start_of(project) == (commit_id, False)
