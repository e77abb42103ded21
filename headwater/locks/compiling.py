"""`headwater lock`: pins what a project adds, beside what the library has pinned."""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from headwater.errors import InvalidRequest
from headwater.locks import FOLDER, PROJECT_LOCKS

PYTHON = "3.11"
"""The oldest that a bundle or an image runs on: a lock is for it and all later ones."""


class LockFailed(InvalidRequest):
    """The project's dependency groups can't be read or pinned."""


def compile_locks(project: Path) -> Mapping[str, Path | None]:
    """Pin the dependency groups ``training`` and ``data`` of a project with hashes, and without an index's address.

    Parameters
    ----------
    project : Path
        The folder with pyproject.toml. ``requirements/<group>.txt`` is written there; an empty group has none.

    Returns
    -------
    mapping of str to Path or None
        The lock of each group, None for one that adds nothing.

    Raises
    ------
    LockFailed
        A group is malformed, or its packages contradict each other or Headwater's own.
    """
    manifest = project / "pyproject.toml"
    try:
        groups = tomllib.loads(manifest.read_text(encoding="utf-8")).get("dependency-groups", {})
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise LockFailed(f"{manifest}: {error}") from error
    return {name: _compile(project, name, _members(groups, name, ())) for name in sorted(PROJECT_LOCKS)}


def _members(groups: Mapping[str, Any], name: str, above: Sequence[str]) -> list[str]:
    """The requirements of a group and of those that it includes (PEP 735)."""
    if name in above:
        raise LockFailed(f"the dependency group {name!r} includes itself: {' -> '.join([*above, name])}")
    found: list[str] = []
    for entry in groups.get(name, ()):
        match entry:
            case str():
                found.append(entry)
            case {"include-group": str(other)} if other in groups:
                found += _members(groups, other, [*above, name])
            case _:
                raise LockFailed(
                    f"dependency group {name!r}: {entry!r} is neither a requirement nor {{include-group = GROUP}}"
                )
    return found


def _compile(project: Path, name: str, requirements: Sequence[str]) -> Path | None:
    import uv

    path = project / "requirements" / f"{name}.txt"
    if not requirements:
        path.unlink(missing_ok=True)
        return None
    path.parent.mkdir(exist_ok=True)
    command = [uv.find_uv_bin(), "pip", "compile", "-", "--quiet", "--universal", "--python-version", PYTHON]
    command += ["--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--no-header"]
    command += ["--constraint", str(FOLDER / f"{name}.txt"), "--output-file", str(path)]
    done = subprocess.run(command, input="\n".join(requirements), capture_output=True, text=True, check=False)
    if done.returncode:
        raise LockFailed(
            f"the dependency group {name!r} can't be pinned beside Headwater's own packages:\n{done.stderr.strip()}"
        )
    return path
