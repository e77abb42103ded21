"""Turns a buildspec (version 0.2) into one shell script that reports its phases as it goes.

On AWS all commands of all phases run in one shell, so that ``cd`` and ``export`` reach the next command; here too.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

_PHASES = ("install", "pre_build", "build", "post_build")


class BuildspecError(ValueError):
    """The buildspec can't be read; CodeBuild calls it YAML_FILE_ERROR."""


@dataclass(frozen=True)
class Buildspec:
    """What of a buildspec the local cloud acts on."""

    phases: Mapping[str, Sequence[str]]
    finals: Mapping[str, Sequence[str]] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)


def parse(text: str) -> Buildspec:
    """Read a buildspec.

    Raises
    ------
    BuildspecError
        It isn't YAML, isn't version 0.2, or uses what the local cloud doesn't have.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BuildspecError(f"not YAML: {error}") from None
    if not isinstance(document, dict) or str(document.get("version")) != "0.2":
        raise BuildspecError("expected version: 0.2")
    environment = document.get("env") or {}
    if unknown := set(environment) - {"variables", "shell", "exported-variables"}:
        raise BuildspecError(f"env: {min(unknown)} isn't known to the local cloud")
    phases: dict[str, Any] = document.get("phases") or {}
    if unknown := set(phases) - set(_PHASES):
        raise BuildspecError(f"phases: unknown phase {min(unknown)}")
    if unknown := set(document) - {"version", "env", "phases", "cache", "artifacts", "reports"}:
        raise BuildspecError(f"unknown section {min(unknown)}")

    def commands(phase: str, part: str) -> list[str]:
        values = (phases.get(phase) or {}).get(part) or []
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise BuildspecError(f"phases/{phase}/{part}: expected a list of strings")
        return values

    return Buildspec(
        {phase: commands(phase, "commands") for phase in _PHASES if phase in phases},
        {phase: commands(phase, "finally") for phase in _PHASES if phase in phases},
        {name: str(value) for name, value in (environment.get("variables") or {}).items()},
    )


def script(buildspec: Buildspec, mark: str) -> str:
    """The shell script.

    A line of its output that starts with ``mark`` tells ``start PHASE``, ``run COMMAND``, ``end PHASE``,
    ``fail PHASE CODE COMMAND`` or ``done``.
    As on AWS, a failed BUILD still runs POST_BUILD, while any other failure ends the build.
    """
    lines = [
        f"__mark() {{ printf '%s\\n' \"{mark} $*\"; }}",
        "export CODEBUILD_BUILD_SUCCEEDING=1",
        "__go=1",
    ]
    for phase, commands in buildspec.phases.items():
        name = phase.upper()
        lines += [f"if [ $__go = 1 ]; then __mark start {name}; __ok=1"]
        for command in commands:
            quoted = shlex.quote(command)
            lines += [
                f"if [ $__ok = 1 ]; then __mark run {quoted}; eval {quoted}; __code=$?",
                "if [ $__code != 0 ]; then __ok=0; export CODEBUILD_BUILD_SUCCEEDING=0",
                f"__mark fail {name} $__code {quoted}; fi; fi",
            ]
        for command in buildspec.finals.get(phase, ()):
            lines += [f"__mark run {shlex.quote(command)}; eval {shlex.quote(command)}"]
        lines += [f"if [ $__ok = 1 ]; then __mark end {name}; fi"]
        if phase != "build":
            lines += ["__go=$__ok"]
        lines += ["fi"]
    return "\n".join([*lines, "__mark done", ""])
