"""docs/reference/commands.md: every command of `headwater`, its arguments and options, and the exit codes."""

from __future__ import annotations

import enum
import inspect
from collections.abc import Iterator
from typing import Any

import typer

from headwater import errors
from headwater.cli.app import app
from headwater.cli.failures import INTERRUPTED
from tools.reference.source import bullet, markdown, summary, wrapped

_HEAD = """\
<!-- Written by `make reference` from headwater/cli: don't edit it. -->
# Command line

Data goes to stdout, everything else to stderr. Every command takes `--json` (one line of JSON on stdout, on failure
`{"status": "failed", "reason", "message", "next"}`), `--debug` (the whole traceback of a failure; the variable
`HEADWATER_DEBUG` does the same) and `--help`. A variable in the list below sets its option
where the option isn't given.

## Exit codes
"""
_COMMON = ("--help", "--json", "--debug")


def walk(command: Any, path: tuple[str, ...] = ("headwater",)) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every group and command below ``command``, itself first, each with the words that call it."""
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        if not child.hidden:
            yield from walk(child, (*path, name))


def exit_codes() -> Iterator[tuple[int, str]]:
    """The codes and what they mean, from the errors that carry them."""
    yield 0, "Done."
    for error in (errors.HeadwaterError, errors.InvalidRequest, errors.NotFound, errors.NotAllowed, errors.Refused):
        words = {
            errors.HeadwaterError: "Failed: nothing more special is known.",
            errors.InvalidRequest: "Usage: a command that can't be understood. " + summary(error.__doc__ or ""),
        }
        yield error.exit_code, words.get(error, summary(error.__doc__ or ""))
    yield INTERRUPTED, "Interrupted, by Ctrl-C or by answering no to a question."


def render() -> str:
    """The page."""
    lines = [_HEAD, "| code | meaning |", "| --- | --- |"]
    lines += [f"| {code} | {markdown(words)} |" for code, words in exit_codes()]
    for path, command in walk(typer.main.get_command(app)):
        called = " ".join(path)
        children = getattr(command, "commands", None)
        lines += ["", f"{'#' * min(len(path) + 1, 4)} {called}", "", _help(command)]
        if children is None:
            usage = [called, *map(_usage, command.params)]
            whole = wrapped(" ".join(word.replace(" ", "\0") for word in usage), " " * (5 + len(called)), "    ")
            lines += ["", whole]
        entries = [_entry(parameter) for parameter in command.params if not set(parameter.opts) & set(_COMMON)]
        lines += ["", *entries] if entries else []
    return "\n".join([*lines, ""])


def undocumented() -> list[str]:
    """Commands without help, arguments and options without."""
    return list(_silent(typer.main.get_command(app)))


def _silent(root: Any) -> Iterator[str]:
    for path, command in walk(root):
        if not (command.help or "").strip():
            yield " ".join(path)
        for parameter in command.params:
            if not (parameter.help or "").strip():
                yield f"{' '.join(path)} {_name(parameter)}"


def _help(command: Any) -> str:
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    return "\n\n".join(wrapped(markdown(paragraph)) for paragraph in paragraphs)


def _is_argument(parameter: Any) -> bool:
    return not parameter.opts[0].startswith("-")


def _metavar(parameter: Any) -> str:
    if choices := _choices(parameter):
        return "|".join(choices)
    return str(parameter.metavar or parameter.name.upper())


def _choices(parameter: Any) -> list[str]:
    kind = parameter.type_descriptor.annotation
    return [str(choice.value) for choice in kind] if isinstance(kind, enum.EnumMeta) else []


def _usage(parameter: Any) -> str:
    more = "..." if parameter.nargs == -1 or parameter.multiple else ""
    if _is_argument(parameter):
        told = f"{_metavar(parameter)}{more}"
    elif parameter.is_flag:
        told = "/".join([parameter.opts[0], *parameter.secondary_opts[:1]])
    else:
        told = f"{parameter.opts[0]} {_metavar(parameter)}{more}"
    return told if parameter.required else f"[{told}]"


def _name(parameter: Any) -> str:
    if _is_argument(parameter):
        return _metavar(parameter)
    return ", ".join([*parameter.opts, *parameter.secondary_opts])


def _entry(parameter: Any) -> str:
    head = f"`{_name(parameter)}`"
    if not _is_argument(parameter) and not parameter.is_flag:
        head += f" `{_metavar(parameter)}`"
    facts = ["required"] if parameter.required else []
    facts += ["may be repeated"] if parameter.multiple or parameter.nargs == -1 else []
    default = parameter.default
    if parameter.secondary_opts:
        facts.append(f"default `{(parameter.opts if default else parameter.secondary_opts)[0]}`")
    elif parameter.show_default and default not in (None, False, "", ()) and not callable(default):
        facts.append(f"default `{getattr(default, 'value', default)}`")
    facts += [f"variable `{parameter.envvar}`"] if parameter.envvar else []
    told = f"{head} ({', '.join(facts)})" if facts else head
    return bullet(told, markdown(parameter.help or ""))
