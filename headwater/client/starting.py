"""Finds out who starts a run, and whether a command, a script or a notebook does."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from headwater.client.people import me
from headwater.code.service import start_of
from headwater.code.types import shortened
from headwater.project import NoProject, project
from headwater.registry.starting import LONGEST_PERSON, LONGEST_PROGRAM, How, StartedBy

_told: ContextVar[tuple[How, str] | None] = ContextVar("started", default=None)


@contextmanager
def starting(how: How, program: str) -> Iterator[None]:
    """Within the context, what is started is started by ``program``."""
    token = _told.set((how, program))
    try:
        yield
    finally:
        _told.reset(token)


def started_by() -> StartedBy:
    """The person, the program and the code that are about to start a run."""
    how, program = _told.get() or _program()
    folder = _folder()
    commit, clean = start_of(folder)
    return StartedBy(
        how=how,
        person=shortened(me(), LONGEST_PERSON),
        program=_ending(_relative(program, folder)),
        commit=commit,
        clean=clean,
    )


def _folder() -> Path:
    """The project that one stands in, else the working directory."""
    try:
        return project()
    except NoProject:
        return Path.cwd()


def _ending(program: str) -> str:
    """The program in one line; of a long path the end, which is the file's name."""
    line = shortened(program, 10_000)
    return line if len(line) <= LONGEST_PROGRAM else f"...{line[3 - LONGEST_PROGRAM :]}"


def _relative(program: str, folder: Path) -> str:
    """A file's name within the project; without its folders if it is elsewhere, for these say more than they should."""
    path = Path(program)
    if not path.is_absolute():
        return program
    try:
        return path.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        return path.name


def _program() -> tuple[How, str]:
    if (notebook := _notebook()) is not None:
        return notebook
    main: Any = sys.modules.get("__main__")
    if module := getattr(getattr(main, "__spec__", None), "name", ""):
        return "script", f"python -m {module.removesuffix('.__main__')}"
    file = getattr(main, "__file__", None)
    if file and not sys.flags.interactive:
        return "script", str(Path(file).absolute())
    if sys.argv[:1] == ["-c"]:
        return "script", "python -c"
    return "shell", "python"


def _notebook() -> tuple[How, str] | None:
    """The notebook that this code runs in, or IPython's shell; None if it runs in neither."""
    # Looked up, not imported: who runs in IPython has it.
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython is not None else None
    if shell is None:
        return None
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return "shell", "ipython"
    # Said by VS Code, and by Jupyter's server of the notebook that a kernel was started for.
    name = str(shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME") or "")
    if name:
        return "notebook", name
    session = getattr(getattr(kernel, "session", None), "session", "")
    return "notebook", f"kernel {session}".strip()
