"""Builds an image from a Dockerfile; a layer is keyed by what goes into it, so an unchanged one is never built twice.

A layer is built in one folder and kept in another: what a RUN writes down as its own absolute path (the first line of a
virtual environment's scripts) holds within that RUN only. ``.dockerignore`` isn't read: the context is what was zipped.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from localcloud.containers.dockerfile import Dockerfile, Instruction, Stage, command, pairs, parse, substitute
from localcloud.containers.store import Image, ImageStore, copy_tree, digest, environment

# How the host reaches its package index is the host's business; Docker would hand proxies through as well.
_FROM_HOST = re.compile(
    r"PIP_.*|UV_(?!PROJECT|PYTHON|SYSTEM_PYTHON).*|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|HOME|LANG|LC_ALL|TMPDIR"
    r"|(HTTPS?|NO|ALL)_PROXY",
    re.IGNORECASE,
)
_DOCKER_PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass
class _Plan:
    """A stage read to its end: its steps with their keys, and the configuration it leaves."""

    layer: str
    environment: dict[str, str]
    working_directory: PurePosixPath
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    base: str | None = None
    steps: list[_Step] = field(default_factory=list)


@dataclass(frozen=True)
class _Step:
    """One instruction that changes files."""

    key: str
    text: str
    runs: bool
    apply: Callable[[Path, bool], None]


class Builder:
    """One ``docker build``.

    Parameters
    ----------
    store : ImageStore
        Where layers are looked up and kept.
    context : Path
        The folder that COPY reads.
    say : callable
        Gets each line of progress and of the commands' output.
    """

    def __init__(self, store: ImageStore, context: Path, say: Callable[[str], None]) -> None:
        self._store = store
        self._context = context.resolve()
        self._say = say
        self._file: Dockerfile
        self._arguments: Mapping[str, str] = {}
        self._plans: dict[str, _Plan] = {}

    def build(self, text: str, *, arguments: Mapping[str, str] | None = None, target: str | None = None) -> str:
        """Build the Dockerfile's last stage, or ``target``; returns the image's id.

        Raises
        ------
        DockerfileError
            The Dockerfile can't be honoured, or one of its instructions failed.
        """
        self._arguments = dict(arguments or {})
        self._file = parse(text, self._arguments)
        self._plans.clear()
        stage = self._file.stage(target) if target else self._file.stages[-1]
        if stage is None:
            raise LookupError(f"the Dockerfile has no stage {target!r}")
        plan = self._plan(stage)
        self._make(plan)
        image = Image(
            layer=plan.layer,
            environment=plan.environment,
            entrypoint=plan.entrypoint,
            command=plan.command,
            working_directory=str(plan.working_directory),
            labels=plan.labels,
        )
        return self._store.add(image)

    def _plan(self, stage: Stage) -> _Plan:
        """Read a stage without touching a file: what its layers are called tells whether they must be built."""
        if stage.name in self._plans:
            return self._plans[stage.name]
        if base := self._file.stage(stage.base):
            before = self._plan(base)
            plan = _Plan(
                layer=before.layer,
                environment=dict(before.environment),
                working_directory=before.working_directory,
                entrypoint=before.entrypoint,
                command=before.command,
                labels=dict(before.labels),
                base=base.name,
            )
        else:
            self._say(f"FROM {stage.base}: this host's Python {platform.python_version()} stands for it")
            python = self._store.python().parent.name
            plan = _Plan(digest("scratch", python), {"PATH": _DOCKER_PATH}, PurePosixPath("/"))
        variables: dict[str, str] = {}
        for instruction in stage.instructions:
            self._read(instruction, plan, variables)
        self._plans[stage.name] = plan
        return plan

    def _read(self, instruction: Instruction, plan: _Plan, variables: dict[str, str]) -> None:
        known = variables | plan.environment
        match instruction.name:
            case "ARG":
                name = instruction.value.partition("=")[0].strip()
                given = {**pairs(instruction, known), **{k: v for k, v in self._file.global_arguments.items()
                                                        if k == name and "=" not in instruction.value}}  # fmt: skip
                variables.update(given | {k: v for k, v in self._arguments.items() if k == name})
            case "ENV":
                plan.environment.update(pairs(instruction, known))
            case "LABEL":
                plan.labels.update(pairs(instruction, known))
            case "WORKDIR":
                plan.working_directory /= substitute(instruction.value, known)
                self._add(plan, instruction, digest(str(plan.working_directory)), _make_folder(plan.working_directory))
            case "ENTRYPOINT":
                plan.entrypoint, plan.command = tuple(command(instruction)), ()
            case "CMD":
                plan.command = tuple(command(instruction))
            case "COPY":
                self._read_copy(instruction, plan, known)
            case "RUN":
                workdir, values = plan.working_directory, dict(known)
                state = digest(str(workdir), *(f"{k}={v}" for k, v in sorted(values.items())))

                def run(root: Path, _link: bool) -> None:
                    self._run(instruction, root / workdir.relative_to("/"), root, values)

                self._add(plan, instruction, state, run, runs=True)

    def _add(
        self,
        plan: _Plan,
        instruction: Instruction,
        inputs: str,
        apply: Callable[[Path, bool], None],
        *,
        runs: bool = False,
    ) -> None:
        text = f"{instruction.name} {instruction.value}"
        plan.layer = digest(plan.layer, instruction.name, instruction.value if runs else "", inputs)
        plan.steps.append(_Step(plan.layer, text, runs, apply))

    def _read_copy(self, instruction: Instruction, plan: _Plan, known: Mapping[str, str]) -> None:
        words = [substitute(word, known) for word in _words(instruction)]
        if len(words) < 2:
            raise instruction.error("expected at least one source and a destination")
        *sources, destination = words
        target = plan.working_directory / destination
        as_folder = destination.endswith(("/", ".")) or len(sources) > 1
        if name := instruction.flags.get("from"):
            stage = self._file.stage(name)
            if stage is None:
                raise instruction.error(f"there is no stage {name!r}; other images can't be copied from here")
            other = self._plan(stage)
            inputs = digest(other.layer, *sources, str(target), str(as_folder))

            def origin() -> Path:
                return self._make(other)
        else:
            inputs = digest(self._hash(instruction, sources), *sources, str(target), str(as_folder))

            def origin() -> Path:
                return self._context

        def copy(root: Path, link: bool) -> None:
            base = origin()
            for found in _matches(instruction, base, sources):
                into = root / target.relative_to("/")
                if not found.is_dir() and (as_folder or into.is_dir()):
                    into /= found.name
                # The context is the user's: never linked. A layer is nobody's.
                copy_tree(found, into, link=link and base != self._context)

        self._add(plan, instruction, inputs, copy)

    def _hash(self, instruction: Instruction, sources: list[str]) -> str:
        """The names, modes and contents of everything that a COPY from the context takes."""
        sum_ = hashlib.sha256()
        for found in _matches(instruction, self._context, sources):
            for path in [found, *sorted(found.rglob("*"))] if found.is_dir() else [found]:
                if path.is_dir() or (path.is_symlink() and not path.exists()):
                    continue
                executable = os.access(path, os.X_OK)
                sum_.update(f"{path.relative_to(found.parent)}:{executable}:".encode())
                sum_.update(hashlib.sha256(path.read_bytes()).digest())
        return sum_.hexdigest()

    def _make(self, plan: _Plan) -> Path:
        """The stage's folder, from the latest layer that is there already."""
        if not plan.steps:
            return (
                self._make(self._plans[plan.base]) if plan.base else self._store.make_layer(plan.layer, lambda _: None)
            )
        if self._store.layer(plan.layer).exists():
            self._say(f"CACHED {len(plan.steps)} steps")
            return self._store.layer(plan.layer)
        done = next((n for n in range(len(plan.steps), 0, -1) if self._store.layer(plan.steps[n - 1].key).exists()), 0)
        while done < len(plan.steps):
            # A layer is kept after each RUN, which is what takes time, and at the end.
            last = next((n for n, step in enumerate(plan.steps[done:], done + 1) if step.runs), len(plan.steps))
            self._make_layer(plan, done, last)
            done = last
        return self._store.layer(plan.layer)

    def _make_layer(self, plan: _Plan, first: int, last: int) -> None:
        steps = plan.steps[first:last]
        # A command may write into a file in place, and a link would carry that into another layer.
        link = not any(step.runs for step in steps)
        before = self._store.layer(plan.steps[first - 1].key) if first else None
        if before is None and plan.base:
            before = self._make(self._plans[plan.base])

        def build(root: Path) -> None:
            if before is not None:
                copy_tree(before, root, link=link)
            for number, step in enumerate(steps, first + 1):
                self._say(f"Step {number}/{len(plan.steps)}: {step.text}")
                step.apply(root, link)

        self._store.make_layer(steps[-1].key, build)

    def _run(self, instruction: Instruction, folder: Path, root: Path, variables: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        process = subprocess.Popen(
            command(instruction),
            cwd=folder,
            env=host_environment() | environment(root, self._store.python(), variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        with process.stdout:
            for line in process.stdout:
                self._say(line.rstrip("\n"))
        if code := process.wait():
            raise instruction.error(f"returned a non-zero code: {code}")


def host_environment() -> dict[str, str]:
    """What says how this host reaches the network, and nothing of the developer's Python."""
    return {name: value for name, value in os.environ.items() if _FROM_HOST.fullmatch(name)}


def _words(instruction: Instruction) -> list[str]:
    if instruction.value.startswith("["):
        return command(instruction)
    return shlex.split(instruction.value)


def _make_folder(path: PurePosixPath) -> Callable[[Path, bool], None]:
    def make(root: Path, _link: bool) -> None:
        (root / path.relative_to("/")).mkdir(parents=True, exist_ok=True)

    return make


def _matches(instruction: Instruction, base: Path, sources: list[str]) -> list[Path]:
    """What the sources of a COPY mean in ``base``: each must match something and stay inside."""
    found = []
    for source in sources:
        relative = source.lstrip("/") or "."
        paths = sorted(base.glob(relative)) if set(relative) & set("*?[") else []
        if not paths and (base / relative).exists():
            paths = [base / relative]
        if not paths:
            raise instruction.error(f"{source} isn't there")
        for path in paths:
            if not path.resolve().is_relative_to(base.resolve()):
                raise instruction.error(f"{source} leads out of the build context")
        found += paths
    return found
