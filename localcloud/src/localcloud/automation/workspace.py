"""The folder that the CLI works in: the project's own settings, with what a deployment by us adds to them.

The CLI writes into the files it reads (a stack's salt, for example). So it gets copies, and the user's files stay as
they are. The folder lies inside the project's, where the CLI finds the git commit that it notes in the history; git
itself sees nothing of it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from localcloud.engine.project import Project


@contextmanager
def workspace(project: Project, plugin: Path, salt: str, *, folder: Path) -> Iterator[Path]:
    """A folder with Pulumi.yaml and Pulumi.<stack>.yaml; gone afterwards.

    Parameters
    ----------
    project : Project
        What is deployed.
    plugin : Path
        The folder with our provider: named here, the CLI takes it without a warning that it found one on PATH.
    salt : str
        With which the state's secrets are encrypted; empty if there are none yet.
    folder : Path
        Where the local cloud keeps its files: the work is done there if that is inside the project.
    """
    inside = folder if folder.is_relative_to(project.root) else project.root
    work = Path(tempfile.mkdtemp(prefix=".pulumi-", dir=inside))
    try:
        described: dict[str, Any] = {
            "name": project.name,
            "runtime": "python",
            "main": str(project.program),
            "plugins": {"providers": [{"name": "aws", "path": str(plugin)}]},
        }
        settings: dict[str, Any] = {"config": {**project.config, **project.encrypted}}
        if project.salt or salt:
            settings["encryptionsalt"] = project.salt or salt
        (work / ".gitignore").write_text("*\n")
        (work / "Pulumi.yaml").write_text(yaml.safe_dump(described))
        (work / f"Pulumi.{project.stack}.yaml").write_text(yaml.safe_dump(settings))
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
