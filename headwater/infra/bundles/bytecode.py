"""Compiled Python for the bundles: Lambda's code folder is read-only, so what isn't compiled is compiled at each start.

See docs/decisions/0021-compiled-bundles.md.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import uv

TASK_ROOT = "/var/task"
"""Where Lambda unpacks a bundle: what tracebacks and profiles show."""


@cache
def interpreter(python: str) -> str | None:
    """A Python of that version, such as ``"3.12"``, on this machine or fetched by uv; None if there is none to be had.

    Bytecode of another version is never read, so no other will do.
    """
    if python == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    command = [uv.find_uv_bin(), "run", "--no-project", "--quiet", "--python", python]
    done = subprocess.run(
        [*command, "python", "-c", "import sys; print(sys.executable)"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or None if done.returncode == 0 else None


def compile_sources(python: str, root: Path, sources: Sequence[Path]) -> None:
    """Write each source's bytecode beside it; one that isn't valid Python for ``python`` gets none.

    Parameters
    ----------
    python : str
        An interpreter (`interpreter`).
    root : Path
        The folder that will lie at `TASK_ROOT`.
    sources : sequence of Path
        Files below ``root``.
    """
    # Unchecked: a bundle's sources don't change, and the dates in it say nothing. The seed orders sets of constants.
    how = ["-qq", "-j", "0", "--invalidation-mode", "unchecked-hash", "-s", str(root), "-p", TASK_ROOT, "-i", "-"]
    subprocess.run(
        [python, "-P", "-s", "-m", "compileall", *how],
        input="".join(f"{source}\n" for source in sorted(sources)),
        text=True,
        check=False,
        env={"PATH": os.environ.get("PATH", ""), "PYTHONHASHSEED": "0"},
    )
