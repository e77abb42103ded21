"""Where a product says something: the file and line of a declaration or of a mistake, for messages."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import FrameType
from typing import Any

from headwater.values import Value

NAME = r"^[a-z][a-z0-9_]{0,47}$"
"""The form of `headwater.declare.Name`."""
LONGEST = 600
"""Characters of one problem in a message."""
MOST = 100
"""Problems in a message."""
_OURS = ("headwater.declare.", "pydantic.")


@dataclass(frozen=True, slots=True)
class Location:
    """A line of a file."""

    file: str
    line: int

    def __str__(self) -> str:
        """Such as ``pipelines/flights/product.py:31``: the file below the folder that it is imported from."""
        path = Path(self.file)
        roots = [Path(entry).resolve() for entry in dict.fromkeys(["", *sys.path])]
        inside = [path.relative_to(root) for root in roots if root in path.parents]
        # Of nested folders on the path, that of the project says most: a part may be on it by itself.
        return f"{max(inside, key=lambda found: len(found.parts), default=path)}:{self.line}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a product: where it was declared, what it is of, and what is wrong."""

    where: str
    what: str
    location: Location | None = None

    def __str__(self) -> str:
        """One line, however long what went wrong said it."""
        text = " ".join(": ".join(str(part) for part in (self.location, self.where, self.what) if part).split())
        return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def lines(problems: Iterable[Problem]) -> str:
    """A line for each different problem, at most `MOST`."""
    told = list(dict.fromkeys(map(str, problems)))
    more = [f"and {len(told) - MOST:,} more"] if len(told) > MOST else []
    return "\n".join([*told[:MOST], *more])


def _declaring() -> FrameType | None:
    """The frames being carried out, outside of declarations and pydantic."""
    frame: FrameType | None = sys._getframe(1)
    while frame and frame.f_globals.get("__name__", "").startswith(_OURS):
        frame = frame.f_back
    return frame


def declared_at() -> Location | None:
    """The line that makes a declaration right now."""
    frame = _declaring()
    return Location(frame.f_code.co_filename, frame.f_lineno) if frame else None


def declared_in() -> str:
    """The package of the module that makes a declaration right now; empty in a script or a notebook."""
    frame = _declaring()
    return frame.f_globals.get("__package__") or "" if frame else ""


def problems_of(error: BaseException, where: str, folders: Sequence[Path]) -> list[Problem]:
    """Problems of the code in ``folders`` that raised an exception.

    Parameters
    ----------
    error : BaseException
        Of pydantic's, one problem for each field; of Python's, with its name.
    where : str
        What the code was to give.
    folders : sequence of Path
    """
    location = location_in(folders, error)
    return [Problem(where, what, location) for what in said_by(error)]


def said_by(error: BaseException) -> list[str]:
    """An exception in words, one line for each thing that is wrong."""
    if type(error).__name__ == "ValidationError" and type(error).__module__.startswith("pydantic"):
        return of_validation(error)
    if message := getattr(error, "message", ""):
        return str(message).splitlines()
    words = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())
    return [f"{type(error).__name__}: {words}" if words else type(error).__name__]


def of_validation(error: Any) -> list[str]:
    """One line for each thing that a pydantic ``ValidationError`` found wrong."""
    title, problems = str(error.title), error.errors(include_url=False)
    # Of what isn't several, pydantic says as well that it has too few.
    entries = {problem["loc"][:-1] for problem in problems if problem["type"] == "model_type"}
    told = [one for one in problems if one["type"] != "too_short" or one["loc"] not in entries]
    return list(dict.fromkeys(_said(title, problem) for problem in told))


def _said(title: str, problem: Mapping[str, Any]) -> str:
    at, kind, given = list(map(str, problem["loc"])), problem["type"], problem["input"]
    if kind == "model_type" and isinstance(given, tuple) and at[-1].isdigit():
        # What was given is a declaration, and pydantic went through its fields as if they were several.
        at, kind, given = at[:-1], "tuple_type", None
    where = ".".join([title, *at])
    if kind == "extra_forbidden":
        near = get_close_matches(at[-1], _fields(title), n=1) if len(at) == 1 else []
        return f"{where}: there is no such field{f'; did you mean {near[0]}?' if near else ''}"
    if kind == "tuple_type":
        return f"{where}: expected several, in parentheses; of one alone a comma comes behind it: (one,)"
    if kind == "string_pattern_mismatch" and problem["ctx"]["pattern"] == NAME:
        return (
            f"{where}: expected lower-case letters, digits and underscores, a letter first, at most 48 characters, "
            f"got {given!r}"
        )
    # Only of a word that is none of the choices, or a number beyond its limit: other values may be secrets.
    got = f", got {given!r}" if kind.startswith(("literal", "greater_than", "less_than")) else ""
    return f"{where}: {problem['msg'].removeprefix('Value error, ')}{got}"


def _fields(title: str) -> list[str]:
    """The fields of the value that pydantic names."""
    classes = [Value]
    for one in classes:
        classes += one.__subclasses__()
    return next((list(one.model_fields) for one in classes if one.__name__ == title), [])


def location_in(folders: Sequence[Path], error: BaseException) -> Location | None:
    """The last line of code in ``folders`` on the way to the exception."""
    roots = [folder.resolve() for folder in folders]

    def ours(file: str) -> bool:
        return any(root in Path(file).resolve().parents for root in roots)

    if isinstance(error, SyntaxError) and error.filename and ours(error.filename):
        return Location(error.filename, error.lineno or 1)
    passed = [
        Location(frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if ours(frame.f_code.co_filename)
    ]
    return passed[-1] if passed else None
