"""Runs one container of a task: from its image's folder, as a process with the image's environment."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from moto.ecr.models import ecr_backends

from localcloud.containers.store import Image, ImageStore, environment, inside
from localcloud.context import CloudContext
from localcloud.processes import Process

_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[\w-]+)\.amazonaws\.com/(?P<name>[^:@]+)([:@](?P<reference>.+))?"
)


class CannotPull(LookupError):
    """There is no such image; the text is what AWS puts into the task's stopped reason."""


@dataclass(frozen=True)
class Container:
    """A container definition with a task's overrides applied."""

    name: str
    image: str
    essential: bool
    entrypoint: tuple[str, ...] | None
    command: tuple[str, ...] | None
    environment: Mapping[str, str]
    working_directory: str | None
    log: Mapping[str, str] | None
    """Options of the awslogs driver, or None if nothing is logged."""
    memory: int | None
    """Bytes; None if only the task is limited."""

    @classmethod
    def read(cls, definition: Mapping[str, Any], override: Mapping[str, Any]) -> Container:
        """Put a definition and its override together, as RunTask does."""
        if unsupported := {"secrets", "environmentFiles", "dependsOn"} & {k for k, v in definition.items() if v}:
            raise ValueError(f"container {definition['name']}: {min(unsupported)} isn't known to the local cloud")
        log = definition.get("logConfiguration") or {}
        if log and log["logDriver"] != "awslogs":
            raise ValueError(
                f"container {definition['name']}: log driver {log['logDriver']} isn't known to the local cloud"
            )
        variables = [*(definition.get("environment") or []), *(override.get("environment") or [])]
        command = override.get("command") or definition.get("command")
        entrypoint = definition.get("entryPoint")
        memory = override.get("memory") or definition.get("memory")
        return cls(
            name=definition["name"],
            image=definition["image"],
            essential=definition.get("essential", True),
            entrypoint=tuple(entrypoint) if entrypoint else None,
            command=tuple(command) if command else None,
            environment={variable["name"]: variable["value"] for variable in variables},
            working_directory=definition.get("workingDirectory"),
            log=log.get("options") if log else None,
            memory=int(memory) * 2**20 if memory else None,
        )


def find_image(cloud: CloudContext, store: ImageStore, reference: str) -> Image:
    """The image that a task definition names: in ECR by digest or tag, or one that this machine tagged.

    Raises
    ------
    CannotPull
        It isn't there.
    """
    match = _ECR.fullmatch(reference)
    try:
        if match is None:
            return store.image(store.tagged(reference))
        with cloud.dispatcher.lock:
            repository = ecr_backends[match["account"]][match["region"]].repositories.get(match["name"])
            wanted = match["reference"] or "latest"
            for image in repository.images if repository else ():
                if image.get_image_digest() == wanted or wanted in image.image_tags:
                    manifest = json.loads(image.image_manifest)
                    break
            else:
                raise LookupError("not found")
        return store.image(manifest["config"]["digest"].removeprefix("sha256:"))
    except LookupError as error:
        raise CannotPull(
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): "
            f"failed to resolve ref {reference}: {error.args[0]}"
        ) from None


def start(
    container: Container,
    image: Image,
    store: ImageStore,
    scratch: Path,
    variables: Mapping[str, str],
    on_line: Callable[[str], None],
) -> Process:
    """Start ``container`` in ``scratch``, a folder of its own that may be thrown away afterwards.

    Raises
    ------
    OSError
        The command can't be started (AWS: CannotStartContainerError).
    """
    workdir = PurePosixPath(container.working_directory or image.working_directory)
    root = _overlay(store.layer(image.layer), workdir, scratch / "root")
    for name in ("home", "tmp"):
        (scratch / name).mkdir()
    entrypoint = image.entrypoint if container.entrypoint is None else container.entrypoint
    # As in Docker: whoever replaces the entry point replaces its arguments too.
    command = container.command or (image.command if container.entrypoint is None else ())
    env = environment(root, store.python(), {**image.environment, **container.environment, **variables})
    env = {"HOME": str(scratch / "home"), "TMPDIR": str(scratch / "tmp"), "LANG": "C.UTF-8"} | env
    words = [inside(root, word) for word in (*entrypoint, *command)]
    folder = root / workdir.relative_to("/")
    program = words[0] if words else "no command specified"
    if shutil.which(folder / program if program.startswith(".") else program, path=env["PATH"]) is None:
        raise OSError(f'exec: "{program}": executable file not found in $PATH')
    return Process.start(words, cwd=folder, env=env, on_line=on_line)


def _overlay(layer: Path, workdir: PurePosixPath, root: Path) -> Path:
    """A folder that looks like the layer, and takes what a container writes beside its working directory's files.

    Folders on the way to the working directory are the container's own; everything else is a link into the layer.
    """
    here, there = root, layer
    for part in ("", *workdir.relative_to("/").parts):
        here, there = here / part, there / part
        if here.is_symlink():
            here.unlink()
        here.mkdir(parents=True, exist_ok=True)
        for entry in os.scandir(there) if there.is_dir() else ():
            (here / entry.name).symlink_to(entry.path)
    return root
