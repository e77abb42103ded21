"""Where things are on the machine that deploys: the user's project, and the library that the project stands on."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from headwater.errors import NotFound

LIBRARY = Path(__file__).resolve().parent
"""The installed package ``headwater``."""


class NoProject(NotFound):
    """The working directory isn't inside a Headwater project."""


def project(start: Path | None = None) -> Path:
    """The project that one stands in: the nearest folder upwards with ``Pulumi.yaml`` and ``infra/``.

    Raises
    ------
    NoProject
        There is none.
    """
    here = (start or Path.cwd()).absolute()
    for folder in (here, *here.parents):
        if (folder / "Pulumi.yaml").is_file() and (folder / "infra").is_dir():
            return folder
    raise NoProject(
        f"{here} is not inside a Headwater project (a folder with Pulumi.yaml and infra/)",
        next_steps=["cd into your project", "headwater new NAME writes a new one"],
    )


def home(start: Path | None = None) -> Path:
    """Where a project keeps its local cloud: HEADWATER_HOME, else ``.headwater`` in the `project`."""
    if given := os.environ.get("HEADWATER_HOME"):
        return Path(given).absolute()
    return project(start) / ".headwater"


def project_name(start: Path | None = None) -> str | None:
    """The current project's name by its Pulumi.yaml, or HEADWATER_PROJECT; None outside of a project."""
    if given := os.environ.get("HEADWATER_PROJECT"):
        return given
    try:
        text = (project(start) / "Pulumi.yaml").read_text(encoding="utf-8")
    except NoProject:
        return None
    found = re.search(r"""^name:\s*["']?([\w.-]+)""", text, re.MULTILINE)
    return found[1] if found else None


def make_importable(folder: Path) -> None:
    """Let this process import the project's ``pipelines`` and ``functions``, before anything else of these names."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
