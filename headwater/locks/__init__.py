"""Packages and where they are installed: the library's hashed locks, and a project's additions.

A project adds packages to the training container or to the functions that read its products by a dependency group of
that name in its pyproject.toml, locked in ``requirements/<name>.txt`` by ``headwater lock``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from headwater.errors import InvalidRequest

FOLDER = Path(__file__).parent
PROJECT_LOCKS = frozenset({"training", "data"})
"""The locks that a project may add to: the training container, and the functions that import its products."""

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


class LockConflict(InvalidRequest):
    """A project's lock pins another version of a package than the library's."""


def lock(name: str, project: Path | None, *, folder: Path = FOLDER) -> str:
    """The requirements of ``name``: the library's, and after them what the project's lock adds.

    Raises
    ------
    FileNotFoundError
        The library has no lock of that name.
    LockConflict
        The project pins a package of the library's lock to another version.
    """
    ours = (folder / f"{name}.txt").read_text(encoding="utf-8")
    theirs = project_lock(name, project)
    if theirs is None:
        return ours
    known, added = entries(ours), []
    for package, entry in entries(theirs.read_text(encoding="utf-8")).items():
        if package not in known:
            added.append(entry)
        elif not _versions(entry) <= _versions(known[package]):
            raise LockConflict(
                f"requirements/{name}.txt pins {package} to {' and '.join(sorted(_versions(entry)))}, Headwater's lock "
                f"to {' and '.join(sorted(_versions(known[package])))}",
                next_steps=["headwater lock resolves the project's requirements beside Headwater's"],
            )
    return ours + "".join(added)


def project_lock(name: str, project: Path | None) -> Path | None:
    """The file with what the project adds to a lock; None if it adds nothing."""
    path = project / "requirements" / f"{name}.txt" if project and name in PROJECT_LOCKS else None
    return path if path is not None and path.is_file() else None


def entries(text: str) -> Mapping[str, str]:
    """The requirements of a lock by their normalised names, each as it stands there, hashes included.

    A lock for several platforms may name a package more than once, each time with a marker and a version.
    """
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines(keepends=True):
        if line.strip() and not line.lstrip().startswith("#"):
            if begins := _NAME.match(line):
                name = normal(begins[0])
            found[name] = found.get(name, "") + (line if line.endswith("\n") else f"{line}\n")
    return found


def normal(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _versions(entry: str) -> frozenset[str]:
    return frozenset(re.findall(r"^[\w.-]+\s*==\s*([^\s;\\]+)", entry, re.MULTILINE))
