"""A Headwater project of its own for tests, run as a user runs it, in a home of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PARTS = ("functions", "infra", "pipelines", "pyproject.toml")
TIMEOUT = 600.0
CACHES = ("bundles", "images")
SHARED = "LOCALCLOUD_IMAGE_CACHE"
"""Where clouds keep the layers of images, which are named by what is in them: built once for all tests."""


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The last line of stdout, which is the only one where JSON was asked for."""
        return json.loads(self.out.splitlines()[-1])


@dataclass(frozen=True)
class Project:
    """A project, where its local cloud keeps itself, and the Python whose `headwater` it stands on."""

    root: Path
    home: Path
    python: Path = Path(sys.executable)

    @classmethod
    def copy(cls, folder: Path) -> Project:
        """A copy of this tree in ``folder``, as a fresh clone has it, but for what was built and only costs time."""
        root = folder / "project"
        root.mkdir()
        for part in (*PARTS, *(file.name for file in ROOT.glob("Pulumi*.yaml"))):
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, root / part, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                shutil.copy(source, root / part)
        return cls(root, folder / "home").sharing_caches()

    @classmethod
    def new(cls, folder: Path, name: str, python: Path) -> Project:
        """What `headwater new` of that Python's Headwater writes into ``folder``."""
        project = cls(folder / name, folder / "home", python)
        command = [str(python), "-m", "headwater.cli", "new", name]
        subprocess.run(command, cwd=folder, env=project.environment(), check=True, capture_output=True, text=True)
        return project.sharing_caches()

    def sharing_caches(self) -> Project:
        """The same project, which takes from this tree's caches what is named by its contents."""
        (self.root / ".headwater").mkdir()
        for cache in CACHES:
            (ROOT / ".headwater" / cache).mkdir(parents=True, exist_ok=True)
            (self.root / ".headwater" / cache).symlink_to(ROOT / ".headwater" / cache)
        return self

    def environment(self) -> dict[str, str]:
        """Ours, without what would lead to another cloud or another Headwater."""
        foreign = ("AWS_", "HEADWATER_", "LOCALCLOUD_", "COV_", "PYTHONPATH")
        kept = {key: value for key, value in os.environ.items() if key == SHARED or not key.startswith(foreign)}
        return {**kept, "HEADWATER_HOME": str(self.home), "HEADWATER_PORT": "0"}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a `headwater` command in a process group of its own."""
        return subprocess.Popen(
            [str(self.python), "-m", "headwater.cli", *arguments],
            cwd=self.root,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, timeout: float = TIMEOUT) -> Result:
        """Run a `headwater` command to its end."""
        process = self.start(*arguments)
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            process.communicate()
            raise
        return Result(process.returncode, out, err)

    def done(self, *arguments: str) -> Any:
        """Run a command that must succeed; what it says as JSON."""
        result = self.run(*arguments, "--json")
        assert result.code == 0, (
            f"headwater {' '.join(arguments)} exited with {result.code}\n{result.out}\n{result.err}"
        )
        return result.json

    def refused(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Run a command that must fail; its exit code and what it says as JSON."""
        result = self.run(*arguments, "--json")
        assert result.code != 0, result.out
        failure: dict[str, Any] = result.json
        assert failure.keys() == {"status", "reason", "message", "next"}
        assert "Traceback" not in result.err
        return result.code, failure


def processes_of(home: Path, names: Sequence[str] = ("cmdline", "environ", "cwd")) -> list[str]:
    """Processes of this machine that know ``home``: what a local cloud leaves behind if it leaves anything."""
    import psutil

    found = []
    for process in psutil.process_iter(["pid", *names]):
        if process.pid == os.getpid():
            continue
        told = json.dumps([process.info.get(name) for name in names], default=str)
        if str(home) in told:
            found.append(f"{process.pid}: {process.info.get('cmdline')}")
    return found
