"""Writes a new project from the files under ``project/``."""

from __future__ import annotations

import re
import shlex
import string
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from headwater import __version__
from headwater.templates.errors import AlreadyThere, BadName
from headwater.templates.naming import suggested
from headwater.templates.whole import write_all

LONGEST_NAME = 24
"""Buckets carry the project's and the stack's name: 37 characters together (`headwater.infra.platform.tags`)."""
_NAME = re.compile(r"[a-z][a-z0-9-]*[a-z0-9]")
_SUFFIX = ".tmpl"


@dataclass(frozen=True)
class NewProject:
    """The written files of a project."""

    name: str
    root: Path
    files: tuple[Path, ...]


def write_project(root: Path, name: str) -> NewProject:
    """Write a project called ``name`` into the folder ``root``: all of it, or nothing.

    Parameters
    ----------
    root : Path
        A folder that is empty or isn't there yet. One with only a ``.git`` counts as empty.
    name : str
        Of the project, for Pulumi and at the beginning of every resource's name on AWS.

    Raises
    ------
    BadName
        AWS's names can't begin with it.
    AlreadyThere
        The folder isn't empty.
    """
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        # Of a path, the last part is the name that was meant.
        last = Path(name).name
        suggestion = suggested(last, "-", LONGEST_NAME)
        where = f" --folder {shlex.quote(name)}" if last != name else ""
        raise BadName(
            f"{name!r} can't be a project's name: expected 2 to {LONGEST_NAME} lower-case letters, digits and "
            "hyphens, a letter first, for every name on AWS begins with it",
            next_steps=[f"headwater new {suggestion}{where}"] if _NAME.fullmatch(suggestion) else [],
        )
    if root.exists() and not root.is_dir():
        raise AlreadyThere(f"{root} is a file; nothing was written", next_steps=["choose another name or folder"])
    if root.exists() and any(path.name != ".git" for path in root.iterdir()):
        raise AlreadyThere(
            f"{root} is there and not empty; nothing was written", next_steps=["choose another name or folder"]
        )
    contents = {root / path: text.encode() for path, text in project_files(name)}
    write_all(contents)
    return NewProject(name, root, tuple(contents))


def project_files(name: str) -> Iterator[tuple[Path, str]]:
    """Each file of a project called ``name``, relative to its folder, with its text."""
    words = {"project": name, "version": __version__}
    for path, template in _templates(files("headwater.templates") / "project", Path()):
        # Safe: a workflow's ${{ }} and a shell's $( ) are none of ours.
        yield path, string.Template(template.read_text(encoding="utf-8")).safe_substitute(words)


def _templates(folder: Traversable, at: Path) -> Iterator[tuple[Path, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _templates(entry, at / entry.name)
        elif entry.name.endswith(_SUFFIX):
            yield at / entry.name.removesuffix(_SUFFIX), entry
