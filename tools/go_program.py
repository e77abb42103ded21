"""Programs that are built once from the Go module beside their build.py, into the user's cache."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path


def cached(house: str, name: str, version: str) -> Path:
    """Where a program is, once it is built."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / house / f"{name}-{version}" / name


def wanted_version(module: Path, package: str) -> str:
    """The version of a package that the go.mod in the folder ``module`` requires."""
    found = re.search(rf"^\s*{re.escape(package)} v(\S+)", (module / "go.mod").read_text(), re.MULTILINE)
    assert found is not None, f"go.mod requires no {package}"
    return found[1]


def build_once(program: Path, build: Callable[[str, Path], int], *, lacking: str) -> int:
    """Build a program unless it is there, and print its path; ``lacking`` is said if there is no Go."""
    if not program.is_file():
        if (go := shutil.which("go")) is None:
            print(lacking, file=sys.stderr)
            return 1
        program.parent.mkdir(parents=True, exist_ok=True)
        draft = program.with_name(f"{program.name}.{os.getpid()}")
        try:
            if code := build(go, draft):
                return code
            draft.replace(program)
        finally:
            draft.unlink(missing_ok=True)
    print(program)
    return 0
