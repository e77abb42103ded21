"""Recognises a deployment that would change nothing, so that the program needn't run for it.

A program gives the same resources for the same files, packages, settings and environment. After a deployment by the
embedded engine a file beside the local cloud holds a hash of all that went into it, and one of the state that it left.
While both stay the same a further `local up` has nothing to do; ``--again`` runs the program all the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from localcloud.engine import Deployment, ResourceState

FILE = "deployed.json"
# Differ from shell to shell and mean nothing to a program.
_VOLATILE = frozenset({"_", "COLUMNS", "LINES", "OLDPWD", "PWD", "SHLVL", "TERM", "WINDOWID"})


def fingerprint(project: Path, given: Mapping[str, Any]) -> str:
    """Hash of everything that a program may read: files, packages, the environment and the settings ``given``.

    Files are told apart by size and time. A file that only looks changed costs a run of the program, no more.
    """
    digest = hashlib.sha256(json.dumps([sys.version, sys.executable, given], sort_keys=True, default=str).encode())
    for folder in (project, *map(_folder, ("headwater", "localcloud"))):
        for name, size, changed in sorted(_files(folder)):
            digest.update(f"{name}\0{size}\0{changed}\n".encode())
    packages = sorted(path.name for path in Path(sysconfig.get_path("purelib")).glob("*.dist-info"))
    environment = {name: value for name, value in os.environ.items() if name not in _VOLATILE}
    digest.update(json.dumps([packages, environment], sort_keys=True).encode())
    return digest.hexdigest()


def _folder(package: str) -> Path:
    found = find_spec(package)
    return Path(found.origin).parent if found and found.origin else Path()


def _files(folder: Path) -> Iterator[tuple[str, int, int]]:
    """Path, size and time of each file, but for hidden folders, environments and what Python compiled."""
    for at, folders, files in os.walk(folder):
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and name != "__pycache__" and not Path(at, name, "pyvenv.cfg").exists()
        ]
        for name in files:
            try:
                found = Path(at, name).stat()
            except FileNotFoundError:
                continue
            yield str(Path(at, name)), found.st_size, found.st_mtime_ns


def unchanged(cloud: Path, made_of: str, resources: Sequence[ResourceState]) -> Deployment | None:
    """The last deployment, if it was made of the same and its state still stands; None if the program must run."""
    from localcloud.engine import Deployment

    try:
        known = json.loads((cloud / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    unfinished = any(state.delete or state.init_errors for state in resources)
    if unfinished or known != {"made_of": made_of, "left": _left(resources)}:
        return None
    outputs = next((state.plain_outputs for state in resources if state.type == "pulumi:pulumi:Stack"), {})
    same = sum(not state.type.startswith("pulumi:providers:") for state in resources)
    return Deployment(dict(outputs), {"same": same}, tuple(resources))


def remember(cloud: Path, made_of: str, resources: Sequence[ResourceState]) -> None:
    """Keep what a deployment that succeeded was made of, and what it left."""
    (cloud / FILE).write_text(json.dumps({"made_of": made_of, "left": _left(resources)}), encoding="utf-8")


def forget(cloud: Path) -> None:
    """A deployment begins: until it has succeeded nothing is known."""
    (cloud / FILE).unlink(missing_ok=True)


def _left(resources: Sequence[ResourceState]) -> str:
    states = [[state.urn, state.id, state.plain_inputs, state.plain_outputs] for state in resources]
    return hashlib.sha256(json.dumps(states, sort_keys=True, default=repr).encode()).hexdigest()
