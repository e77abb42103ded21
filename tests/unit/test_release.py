"""A release is two commits and a tag, and every place that names the version says the same."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = ("CHANGELOG.md", "pyproject.toml", "localcloud/pyproject.toml", "headwater/version.py", "tools/release.py")


def git(folder: Path, *arguments: str) -> str:
    named = ("-c", "user.name=someone", "-c", "user.email=someone@example.com")
    return subprocess.run(
        ["git", *named, *arguments], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the files that name the version, which is about to be 0.7.0."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "someone")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "someone@example.com")
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 0.7.0, not released yet\n\n* All of it.\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "Before")
    return tmp_path


def release(repository: Path, *versions: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "tools/release.py", *versions]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)


def test_a_release_is_tagged_and_the_next_version_begins(repository: Path) -> None:
    done = release(repository, "0.7.0", "0.8.0")
    assert done.returncode == 0, done.stderr
    subjects = git(repository, "log", "--format=%s").splitlines()
    assert subjects == ["0.8.0 begins", "Release 0.7.0", "Before"]
    assert git(repository, "describe", "--exact-match", "HEAD~1") == "v0.7.0"
    for commit, version in (("HEAD~1", "0.7.0"), ("HEAD", "0.8.0.dev0")):
        texts = {name: git(repository, "show", f"{commit}:{name}") for name in FILES[1:4]}
        assert all(f'"{version}"' in text for text in texts.values())
        assert f'"localcloud=={version}"' in texts["pyproject.toml"]
    changes = (repository / "CHANGELOG.md").read_text()
    assert changes.index("## 0.8.0, not released yet") < changes.index("## 0.7.0, 2")


@pytest.mark.parametrize(
    ("versions", "says"),
    [
        (("0.7.0",), "expected two versions"),
        (("v0.7.0", "0.8.0"), "expected two versions"),
        (("0.9.0", "1.0.0"), "has no '## 0.9.0, not released yet'"),
    ],
)
def test_a_release_that_is_not_described_is_refused_and_changes_nothing(
    repository: Path, versions: tuple[str, ...], says: str
) -> None:
    done = release(repository, *versions)
    assert done.returncode == 1
    assert says in done.stderr
    assert git(repository, "log", "--format=%s") == "Before"


def test_a_checkout_with_changes_is_not_released(repository: Path) -> None:
    (repository / "pyproject.toml").write_text("changed")
    assert "the checkout has changes" in release(repository, "0.7.0", "0.8.0").stderr
    assert git(repository, "tag") == ""


def test_this_tree_names_one_version_everywhere() -> None:
    import tomllib

    from headwater import __version__

    ours, cloud = (tomllib.loads((ROOT / name).read_text())["project"] for name in FILES[1:3])
    assert {ours["version"], cloud["version"]} == {__version__}
    assert f"localcloud=={__version__}" in ours["optional-dependencies"]["local"]
