"""Whatever git can't say, or refuses to say, is missing from the state with its reason, and nothing fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.code.git import Git, GitFailed, without_credentials
from headwater.code.service import describe, head_of, start_of
from headwater.code.types import Limits
from tests.unit.code.repositories import commit, git, put, repository


def without_commit(project: Path, reason: str) -> None:
    state, diff = describe(project)
    assert (state.commit, state.clean, state.tree, diff) == ("", None, "", b"")
    assert reason in state.reason
    assert str(state) == f"no commit: {state.reason}"
    assert head_of(project).reason == state.reason
    assert start_of(project) == ("", None)


def test_no_repository_leaves_the_hash_of_what_is_deployed(tmp_path: Path) -> None:
    put(tmp_path, "pipelines/a.py", "a = 1\n")
    put(tmp_path, "pipelines/__pycache__/a.pyc", "x")
    without_commit(tmp_path, "the folder is in no git repository")
    first = describe(tmp_path).state.content
    put(tmp_path, "pipelines/__pycache__/a.pyc", "y")
    put(tmp_path, "README.md", "not deployed")
    assert describe(tmp_path).state.content == first
    put(tmp_path, "pipelines/a.py", "a = 2\n")
    assert describe(tmp_path).state.content != first
    limited = describe(tmp_path, limits=Limits(changed_files=0)).state
    assert limited.content == ""
    assert limited.notes[0].startswith("deployed files aren't hashed: 1 of them")


def test_without_git_there_is_a_reason(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    without_commit(project, "git isn't installed here")
    assert describe(project).state.content


def test_a_git_that_is_too_old_is_named(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = put(tmp_path, "bin/git", "#!/bin/sh\necho git version 1.8.3.1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    without_commit(project, "git version 1.8.3.1 is too old: 2.13 or a later one is needed")


def test_a_git_that_hangs_is_ended(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = put(tmp_path, "bin/git", "#!/bin/sh\nsleep 100\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert describe(project, limits=Limits(seconds=0.3)).state.reason == "git took longer than 0.3 s"


def test_a_repository_of_another_user_is_refused_with_what_to_do(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    without_commit(project, "git config --global --add safe.directory")


def test_a_bare_repository_has_no_tree(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare")
    without_commit(tmp_path, "the folder is in a bare repository or in .git")


def test_a_repository_without_a_commit_has_a_tree_and_a_diff(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    put(tmp_path, "pipelines/a.py", "a = 1\n")
    state, diff = describe(tmp_path)
    assert (state.commit, state.clean) == ("", False)
    assert state.reason == "the repository has no commit yet"
    assert (len(state.tree), state.is_diff_kept, b"+a = 1" in diff) == (40, True, True)


def test_a_detached_head_has_a_commit_and_no_branch(project: Path) -> None:
    on_branch = describe(project).state
    git(project, "checkout", "--quiet", "--detach")
    assert describe(project).state == on_branch
    assert head_of(project)[:2] == (git(project, "rev-parse", "HEAD"), "")


def test_a_shallow_clone_is_as_good_as_a_whole_one(project: Path, tmp_path: Path) -> None:
    commit(project, "Second")
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{project}", str(tmp_path / "shallow"))
    put(tmp_path / "shallow", "pipelines/flights/product.py", "rows = 2\n")
    state, diff = describe(tmp_path / "shallow")
    assert (state.commit, state.clean, b"+rows = 2" in diff) == (git(project, "rev-parse", "HEAD"), False, True)


def test_a_partial_clone_fetches_nothing_and_says_what_is_missing(project: Path, tmp_path: Path) -> None:
    git(project, "config", "uploadpack.allowFilter", "true")
    partial = tmp_path / "partial"
    git(tmp_path, "clone", "--quiet", "--filter=blob:none", "--no-checkout", f"file://{project}", str(partial))
    git(partial, "sparse-checkout", "set", "--no-cone", "/Pulumi.yaml", "/.gitignore")
    git(partial, "checkout", "--quiet", "main")
    assert describe(partial).state.clean is True
    put(partial, "pipelines/flights/product.py", "rows = 2\n")
    state, diff = describe(partial)
    assert (state.clean, len(state.tree), diff, state.is_diff_kept) == (False, 40, b"", False)
    assert state.reason.startswith("the diff isn't kept: git diff-index failed")


def test_a_worktree_is_its_own_tree(project: Path, tmp_path: Path) -> None:
    git(project, "worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    put(tmp_path / "side", "new.py", "x = 1\n")
    state, diff = describe(tmp_path / "side")
    assert (head_of(tmp_path / "side").branch, state.clean, b"+x = 1" in diff) == ("side", False, True)
    assert describe(project).state.clean is True
    (project / ".git" / "worktrees" / "side").rename(tmp_path / "away")
    without_commit(tmp_path / "side", "the repository that this worktree or submodule belongs to is gone")


def test_a_submodule_counts_by_its_commit_and_its_own_changes_are_said(project: Path, tmp_path: Path) -> None:
    library = repository(tmp_path / "library")
    git(project, "submodule", "--quiet", "add", str(library), "pipelines/shared")
    commit(project)
    assert describe(project).state.clean is True
    put(project, "pipelines/shared/pipelines/flights/product.py", "rows = 9\n")
    state, diff = describe(project)
    assert (state.clean, diff) == (False, b"")
    assert state.notes == ("the submodule pipelines/shared has changes of its own, which the tree's hash doesn't tell",)
    # Deployed from within, it is a repository like others.
    inner = describe(project / "pipelines" / "shared")
    assert (inner.state.clean, b"+rows = 9" in inner.diff) == (False, True)
    commit(project / "pipelines" / "shared")
    state, diff = describe(project)
    assert (state.clean, b"+Subproject commit" in diff) == (False, True)


def test_a_repository_inside_of_the_repository_is_named(project: Path) -> None:
    git(project, "init", "--quiet", "pipelines/inner")
    put(project, "pipelines/inner/a.py", "a = 1\n")
    state, _ = describe(project)
    assert (state.left_out, state.clean) == (("pipelines/inner/",), False)
    commit(project / "pipelines/inner")
    assert describe(project).state.left_out == ("pipelines/inner/",)


def test_a_folder_that_git_ignores_is_no_part_of_the_repository(project: Path) -> None:
    inner = put(project, ".headwater/made/pipelines/a.py", "a = 1\n").parents[1]
    state, diff = describe(inner)
    assert state.reason in (
        "git ignores the folder",
        "git knows no file of the folder: it ignores them, or there are none",
    )
    assert (state.tree, state.clean, diff, len(state.content)) == ("", None, b"", 64)


def test_a_hook_that_points_git_elsewhere_does_not_mislead(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = repository(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    state = describe(project).state
    monkeypatch.undo()
    assert (state.clean, state.commit) == (True, git(project, "rev-parse", "HEAD"))


def test_programs_that_a_repository_names_are_not_run(project: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    program = put(tmp_path, "program.sh", f"#!/bin/sh\ntouch {marker}\n")
    program.chmod(0o755)
    for name in ("core.fsmonitor", "diff.external", "core.pager", "diff.mine.textconv", "core.hooksPath"):
        git(project, "config", name, str(program))
    put(project, ".gitattributes", "*.py diff=mine\n")
    put(project, "pipelines/flights/product.py", "rows = 2\n")
    assert b"+rows = 2" in describe(project).diff
    assert not marker.exists()


def test_a_path_with_a_colon_and_a_name_that_is_no_text_are_read(tmp_path: Path) -> None:
    project = repository(tmp_path / 'a:b "c"')
    (project / "pipelines" / "caf\udce9.py").write_text("x = 1\n")
    (project / "pipelines" / 'quote".py').write_text("y = 1\n")
    state, diff = describe(project)
    assert (state.clean, state.is_diff_kept, b"+y = 1" in diff, state.reason) == (False, True, True, "")
    assert describe(project).state.document.decode()


def test_a_remote_of_the_branch_goes_before_origin_and_another_name_is_found(project: Path) -> None:
    git(project, "remote", "add", "fork", "git@example.com:ada/flights.git")
    git(project, "config", "branch.main.remote", "fork")
    state = describe(project).state
    assert (state.remote, state.name) == ("git@example.com:ada/flights.git", "example.com/ada/flights")
    git(project, "config", "--unset", "branch.main.remote")
    git(project, "remote", "remove", "origin")
    assert describe(project).state.remote == "git@example.com:ada/flights.git"
    git(project, "config", "url.https://token@example.com/.insteadOf", "git@example.com:")
    assert describe(project).state.remote == "git@example.com:ada/flights.git"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://user:token@host.example/a/b.git", "https://host.example/a/b.git"),
        ("https://ghp_token@host.example:8443/a/b.git#x", "https://host.example:8443/a/b.git"),
        ("https://host.example/a.git?private_token=1", "https://host.example/a.git"),
        ("https://us%40er:p%40ss@host.example/a", "https://host.example/a"),
        ("https://user:p@ss@host.example/a", "https://host.example/a"),
        ("ssh://git@host.example:22/a.git", "ssh://git@host.example:22/a.git"),
        ("ssh://git:secret@host.example/a.git", "ssh://git@host.example/a.git"),
        ("git@host.example:a/b.git", "git@host.example:a/b.git"),
        ("git:secret@host.example:a/b.git", "git@host.example:a/b.git"),
        ("host.example:a/x@y.git", "host.example:a/x@y.git"),
        ("/srv/git/a.git", "/srv/git/a.git"),
        ("file:///srv/git/a.git", "file:///srv/git/a.git"),
        ("codecommit::eu-west-1://profile@flights", "codecommit::eu-west-1://flights"),
        ("ext::ssh -i key host %S a", ""),
        ("https://[::1/a", ""),
    ],
)
def test_an_address_is_kept_without_credentials(url: str, kept: str) -> None:
    assert without_credentials(url) == kept


def test_an_answer_without_end_is_cut_off(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headwater.code.git.LONGEST_ANSWER", 3)
    with pytest.raises(GitFailed, match="git version answers more than"):
        Git(project).run("version")
