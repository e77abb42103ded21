"""Where the Pulumi CLI is: on PATH, or in the user's cache, where a build of it may have been put."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

OLDEST: Final = (3, 205, 1)
"""The first version that tells its events over gRPC (`pulumi.automation`'s own condition)."""
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")


class NoPulumi(Exception):
    """There is no Pulumi CLI that is new enough."""

    next_step = "install Pulumi (https://www.pulumi.com/docs/install/) and put it on PATH"


@dataclass(frozen=True)
class Cli:
    """A Pulumi CLI."""

    program: Path
    version: tuple[int, int, int]

    def __str__(self) -> str:
        """As people write its version."""
        return ".".join(map(str, self.version))


def find() -> Cli:
    """The CLI to deploy with: the one on PATH if it is new enough, else the newest that was built.

    Raises
    ------
    NoPulumi
        There is none, or only older ones.
    """
    old: list[Cli] = []
    for program in _candidates():
        cli = _ask(program)
        if cli is None:
            continue
        if cli.version >= OLDEST:
            return cli
        old.append(cli)
    found = ", ".join(f"{cli.program} is {cli}" for cli in old) or "none is on PATH, none was built"
    raise NoPulumi(f"the Pulumi CLI >= {'.'.join(map(str, OLDEST))} is needed: {found}")


def cache() -> Path:
    """The folder with built CLIs, one folder ``pulumi-<version>`` each."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "localcloud"


def _candidates() -> list[Path]:
    on_path = shutil.which("pulumi")
    built = sorted(cache().glob("pulumi-*/pulumi"), key=lambda program: _parse(program.parent.name), reverse=True)
    return [*([Path(on_path)] if on_path else []), *built]


def _ask(program: Path) -> Cli | None:
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        done = subprocess.run(
            [program, "version"], env=environment, capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return None
    version = _parse(done.stdout)
    return Cli(program, version) if any(version) else None


def _parse(text: str) -> tuple[int, int, int]:
    found = _VERSION.search(text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else (0, 0, 0)
