"""What an update's history says beside its outcome: the engine, the machine and the code, in the CLI's own words.

After pulumi/pkg/cmd/pulumi/metadata/metadata.go; ``exec.kind`` says what the CLI never says, that it wasn't the CLI.
"""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

_GOARCH = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_ASKED = {
    "git.head": ("rev-parse", "HEAD"),
    "git.headName": ("symbolic-ref", "--quiet", "HEAD"),
    "git.author": ("log", "-1", "--format=%an"),
    "git.author.email": ("log", "-1", "--format=%ae"),
    "git.committer": ("log", "-1", "--format=%cn"),
    "git.committer.email": ("log", "-1", "--format=%ce"),
}


def describe_update(root: Path) -> dict[str, str]:
    """The engine, the machine, and which code was deployed: git's head, branch, author and whether the tree was dirty.

    ``pulumi.version`` is the SDK's, with whose protocol the engine speaks. Outside of git there is nothing of git.
    """
    machine = platform.machine().lower()
    return {
        "exec.kind": "localcloud.embedded",
        "pulumi.version": f"v{version('pulumi')}",
        "pulumi.os": sys.platform,
        "pulumi.arch": _GOARCH.get(machine, machine),
        "runtime.name": "python",
        "runtime.executable": sys.executable,
        "runtime.version": platform.python_version(),
        "updatePlan": "false",
        **_describe_source(root),
    }


def commit_title(root: Path) -> str:
    """What the CLI takes for an update's message if none was given: the first line of the commit's."""
    return _git(root, "log", "-1", "--format=%s")


def _describe_source(root: Path) -> dict[str, str]:
    answers = {key: _git(root, *arguments) for key, arguments in _ASKED.items()}
    if not answers["git.head"]:
        return {}
    described = {key: answer for key, answer in answers.items() if answer}
    described["git.dirty"] = "true" if _git(root, "status", "--porcelain") else "false"
    return described


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
