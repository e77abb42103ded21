"""Writes several files: all of them, or none."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from headwater.templates.errors import NotWritten


def write_all(contents: Mapping[Path, bytes]) -> None:
    """Write each file and the folders above it; none of them exists before.

    Raises
    ------
    NotWritten
        The disk is full, or the folder is read-only. What was written until then is gone again.
    """
    made: list[Path] = []
    try:
        for path, content in contents.items():
            missing = [folder for folder in path.parents if not folder.exists()]
            for folder in reversed(missing):
                folder.mkdir()
                made.append(folder)
            made.append(path)
            path.write_bytes(content)
    except BaseException as error:
        for path in reversed(made):
            with suppress(OSError):  # the one that couldn't be made isn't there
                path.rmdir() if path.is_dir() else path.unlink()
        if isinstance(error, OSError):
            raise NotWritten(
                f"{error.filename or path} can't be written: {error.strerror or error}; nothing was written",
                next_steps=["choose a folder that you may write to, on a disk with room"],
            ) from error
        raise
