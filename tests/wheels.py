"""The library as a user has it: wheels of this tree or of the last release, in an environment without this tree."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from tests.projects import ROOT

RELEASE = "Release "
"""What the subject of a release's commit begins with (`tools.release`): found even in a clone without tags."""


@dataclass(frozen=True)
class Release:
    """A released version of the library, in this repository's history."""

    version: str
    commit: str


def last_release() -> Release | None:
    """The newest release that this commit follows; None if there was none, or the clone doesn't reach back to it."""
    command = ["git", "log", "-1", "--format=%H %s", f"--grep=^{RELEASE}[0-9]", "HEAD"]
    # An archive of the tree is no repository, and git may refuse one of another owner.
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    commit, _, subject = found.partition(" ")
    return Release(version=subject.removeprefix(RELEASE), commit=commit) if found else None


def environment(folder: Path, release: Release | None = None) -> Path:
    """Install wheels of this tree, or of ``release``, in a new environment in ``folder``; returns its folder.

    Packages of others are this environment's own: to install and compile those again takes a minute each time. This
    tree isn't among them, since what an editable install adds to the path isn't read from there.
    """
    source = ROOT if release is None else _checkout(release, folder / "source")
    uv = Path(sys.executable).with_name("uv")
    for distribution in (source, source / "localcloud"):
        _run(str(uv), "build", "--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable,
             "--out-dir", str(folder / "dist"), str(distribution))  # fmt: skip
    made = folder / "environment"
    _run(str(uv), "venv", "--quiet", "--python", sys.executable, str(made))
    (packages,) = made.glob("lib/python*/site-packages")
    (packages / "packages_of_others.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    wheels = sorted(map(str, (folder / "dist").glob("*.whl")))
    _run(str(uv), "pip", "install", "--quiet", "--offline", "--no-deps", "--python", str(made), *wheels)
    return made


def _checkout(release: Release, folder: Path) -> Path:
    folder.mkdir(parents=True)
    archive = folder.with_suffix(".zip")
    _run("git", "archive", "--format=zip", f"--output={archive}", release.commit)
    shutil.unpack_archive(archive, folder)
    return folder


def _run(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
    return done.stdout
