"""Reads the part of the Dockerfile language that can be honoured without a container engine, and refuses the rest.

There is no chroot here: an image is a folder, and its absolute paths are mapped into that folder where the instruction
is ours to read (WORKDIR, COPY, ENV, ENTRYPOINT, CMD). A RUN line belongs to the shell, so it must use relative paths.
"""

from __future__ import annotations

import io
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from dockerfile_parse import DockerfileParser

_ACCEPTED = {"RUN", "COPY", "WORKDIR", "ENV", "ARG", "USER", "ENTRYPOINT", "CMD", "LABEL"}
_WITHOUT_EFFECT = {"EXPOSE", "HEALTHCHECK", "STOPSIGNAL", "USER", "LABEL"}
# What only makes sense with a root file system of one's own; on the host it would change the developer's machine.
_NEEDS_A_ROOT = {
    *("apt", "apt-get", "apk", "dnf", "yum", "microdnf", "dpkg", "rpm"),
    *("adduser", "addgroup", "useradd", "groupadd", "chown", "chroot", "mount", "sudo"),
    *("ldconfig", "update-ca-certificates", "systemctl"),
}
_HOST_PATHS = {"/bin/sh", "/bin/true", "/usr/bin/env", "/dev/null", "/dev/stdout", "/dev/stderr"}
_VARIABLE = re.compile(r"\\(\$)|\$(?:\{(\w+)(?::([-+])([^}]*))?\}|(\w+))")


class DockerfileError(ValueError):
    """The Dockerfile asks for something that can't be read, or can't be done without a container engine."""

    def __init__(self, line: int, instruction: str, problem: str) -> None:
        super().__init__(f"Dockerfile line {line}: {instruction}: {problem}")


@dataclass(frozen=True)
class Instruction:
    """One instruction with its flags (``--from=build``) taken off; nothing is substituted yet."""

    line: int
    name: str
    value: str
    flags: Mapping[str, str] = field(default_factory=dict)

    def error(self, problem: str) -> DockerfileError:
        """An error that says where it is."""
        return DockerfileError(self.line, f"{self.name} {self.value}"[:120], problem)


@dataclass(frozen=True)
class Stage:
    """From one FROM to the next."""

    name: str
    base: str
    instructions: tuple[Instruction, ...]


@dataclass(frozen=True)
class Dockerfile:
    """The stages in order; the arguments declared before the first FROM are known to every stage that asks for them."""

    stages: tuple[Stage, ...]
    global_arguments: Mapping[str, str]

    def stage(self, name: str) -> Stage | None:
        """The stage of that name or number, or None."""
        for number, stage in enumerate(self.stages):
            if name.lower() == stage.name.lower() or name == str(number):
                return stage
        return None


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """Docker's own substitution: ``$NAME``, ``${NAME}``, ``${NAME:-default}``, ``${NAME:+other}``; unknown is empty."""

    def value(match: re.Match[str]) -> str:
        escaped, name, operator, word, bare = match.groups()
        if escaped:
            return escaped
        known = variables.get(name or bare, "")
        if operator == "-":
            return known or substitute(word, variables)
        if operator == "+":
            return substitute(word, variables) if known else ""
        return known

    return _VARIABLE.sub(value, text)


def pairs(instruction: Instruction, variables: Mapping[str, str]) -> dict[str, str]:
    """The values of ``ENV a=1 b="2 3"``, of ``ARG a=1`` and of the old form ``ENV a 1``."""
    words = shlex.split(substitute(instruction.value, variables))
    if instruction.name == "ENV" and words and "=" not in words[0]:
        return {words[0]: " ".join(words[1:])}
    return dict(word.partition("=")[::2] for word in words if "=" in word)


def command(instruction: Instruction) -> list[str]:
    """The argument list of an ENTRYPOINT, a CMD or a RUN in either form; the shell form gets its shell."""
    if instruction.value.lstrip().startswith("["):
        try:
            words = json.loads(instruction.value)
        except ValueError:
            raise instruction.error("looks like the exec form but isn't JSON (single quotes?)") from None
        if not all(isinstance(word, str) for word in words):
            raise instruction.error("the exec form takes strings only")
        return list(words)
    return ["/bin/sh", "-c", instruction.value]


def parse(text: str, build_arguments: Mapping[str, str]) -> Dockerfile:
    """Read a Dockerfile.

    Parameters
    ----------
    text : str
        The file.
    build_arguments : Mapping
        What ``--build-arg`` gave.

    Raises
    ------
    DockerfileError
        An instruction, a flag or a command that can't be honoured here, with its line.
    """
    stages: list[Stage] = []
    global_arguments: dict[str, str] = {}
    open_stage: tuple[str, str] | None = None
    instructions: list[Instruction] = []

    def close() -> None:
        if open_stage is not None:
            stages.append(Stage(open_stage[0], open_stage[1], tuple(instructions)))
            instructions.clear()

    for instruction in _instructions(text):
        if instruction.name == "FROM":
            close()
            words = substitute(instruction.value, global_arguments).split()
            if not words or len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
                raise instruction.error("expected FROM <image> [AS <name>]; is its ARG given?")
            open_stage = (words[2] if len(words) == 3 else str(len(stages)), words[0])
        elif open_stage is None:
            if instruction.name != "ARG":
                raise instruction.error("only ARG may stand before the first FROM")
            name = instruction.value.partition("=")[0].strip()
            global_arguments |= pairs(instruction, global_arguments)
            if name in build_arguments:
                global_arguments[name] = build_arguments[name]
        else:
            instructions.append(_checked(instruction))
    close()
    if not stages:
        raise DockerfileError(1, "", "there is no FROM")
    return Dockerfile(tuple(stages), global_arguments)


def _instructions(text: str) -> list[Instruction]:
    parser = DockerfileParser(fileobj=io.BytesIO(text.encode()), env_replace=False)
    found = []
    for part in parser.structure:
        if part["instruction"] == "COMMENT":
            continue
        value, flags = part["value"], {}
        while match := re.match(r"--([\w-]+)(?:=(\S+))?\s+", value):
            flags[match[1]], value = match[2] or "", value[match.end() :]
        found.append(Instruction(part["startline"] + 1, part["instruction"].upper(), value.strip(), flags))
    return found


def _checked(instruction: Instruction) -> Instruction:
    name, flags = instruction.name, instruction.flags
    if name not in _ACCEPTED | _WITHOUT_EFFECT:
        raise instruction.error(f"{name} can't be honoured by the local cloud")
    if "<<" in instruction.value and name in ("RUN", "COPY") and re.search(r"<<-?[\"']?\w", instruction.value):
        raise instruction.error("here-documents can't be read by the local cloud; use a file and COPY it")
    allowed = {"COPY": {"from", "chown", "chmod", "link"}, "RUN": {"mount"}}.get(name, set())
    if name not in _WITHOUT_EFFECT and (unknown := set(flags) - allowed):
        raise instruction.error(f"the flag --{min(unknown)} can't be honoured by the local cloud")
    if name == "RUN":
        if "mount" in flags and "type=cache" not in flags["mount"]:
            raise instruction.error("of --mount only type=cache is honoured (by the host's own caches)")
        _refuse_what_needs_a_root(instruction)
    return instruction


def _refuse_what_needs_a_root(instruction: Instruction) -> None:
    """RUN really runs, on the host: an absolute path would mean the host's file, not the image's."""
    words = command(instruction)
    text = instruction.value if not instruction.value.startswith("[") else shlex.join(words)
    lexer = shlex.shlex(text, posix=True, punctuation_chars="();<>|&=,[]")
    lexer.whitespace_split = False
    lexer.wordchars += ":@%+{}$!#^*?"
    try:
        words = list(lexer)
    except ValueError as error:
        raise instruction.error(f"isn't a shell command: {error}") from None
    for word in words:
        if word.startswith("/") and word not in _HOST_PATHS:
            raise instruction.error(
                f"{word} is an absolute path, which would mean the host's, for there is no chroot here; "
                "use a path relative to WORKDIR"
            )
        if word in _NEEDS_A_ROOT:
            raise instruction.error(f"{word} needs a root file system of its own, which the local cloud doesn't have")
