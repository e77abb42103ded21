"""Real git repositories for tests, apart from the settings of whoever runs them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

WHO = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}


def git(folder: Path, *arguments: str) -> str:
    """The answer of git; fails if git does."""
    command = ["git", "-C", str(folder), "-c", "protocol.file.allow=always", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **WHO})
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the person or the machine counts."""
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)


def put(folder: Path, name: str, content: str | bytes) -> Path:
    """Write one file."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def commit(folder: Path, message: str = "A commit") -> str:
    """Commit everything; the commit's id."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def repository(folder: Path) -> Path:
    """A project with a product, on branch main, with a commit and a remote."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "remote", "add", "origin", "https://ada:hunter2secret@example.com/acme/flights.git?token=1")
    put(folder, ".gitignore", ".headwater/\n__pycache__/\n*.log\n")
    put(folder, "Pulumi.yaml", "name: flights\n")
    put(folder, "pipelines/flights/product.py", "rows = 1\n")
    commit(folder)
    return folder
