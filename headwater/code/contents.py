"""A hash of deployed files that needs no git."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from headwater.code.types import Limits

IS_COMPILED = re.compile(r"(^|/)(__pycache__|\.[^/]+)/|\.pyc$")
"""Files that a program writes while it runs, and those of tools: in hidden folders."""


def hash_files(folder: Path, deployed: Sequence[str], limits: Limits) -> tuple[str, str]:
    """sha256 over names, rights to execute and bytes of the files, and why there is none.

    Parameters
    ----------
    folder : Path
    deployed : sequence of str
        Folders and files in it; one that isn't there counts for nothing.
    limits : Limits
    """
    try:
        files = sorted({name: path for start in deployed for name, path in _files(folder, start)}.items())
        sizes = [path.stat().st_size for _, path in files]
        if len(files) > limits.changed_files or sum(sizes) > limits.changed_bytes:
            return "", (
                f"deployed files aren't hashed: {len(files):,} of them with {sum(sizes):,} bytes, "
                f"at most {limits.changed_files:,} with {limits.changed_bytes:,}"
            )
        digest = hashlib.sha256()
        for name, path in files:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            is_program = os.access(path, os.X_OK)
            digest.update(f"{name}\0{'x' if is_program else '-'}\0{content}\n".encode("utf-8", "surrogateescape"))
    except OSError as error:
        return "", f"deployed files aren't hashed: {error.strerror or error}"
    return digest.hexdigest(), ""


def _files(folder: Path, start: str) -> Iterator[tuple[str, Path]]:
    if (folder / start).is_file():
        yield start, folder / start
    for at, _, names in os.walk(folder / start):
        for name in names:
            path = Path(at, name)
            relative = path.relative_to(folder).as_posix()
            if path.is_file() and not IS_COMPILED.search(relative):
                yield relative, path
