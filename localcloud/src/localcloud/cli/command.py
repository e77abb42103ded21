"""How a command is declared, runs and fails: data on stdout, everything else on stderr, ``--json`` everywhere.

Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 5 refused, 130 interrupted.
"""

from __future__ import annotations

import functools
import inspect
import json
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, get_type_hints

import typer

INTERRUPTED = 130
_JSON, _DEBUG = "--json", "--debug"
_COMMON = {
    "as_json": Annotated[bool, typer.Option(_JSON, help="Print one line of JSON to stdout, also on failure.")],
    "debug": Annotated[bool, typer.Option(_DEBUG, help="Show the whole traceback of a failure.")],
}


@dataclass(frozen=True)
class Answer:
    """What a command found out.

    Attributes
    ----------
    data : object
        Plain values, for ``--json``.
    text : str
        The same for people, on stdout.
    notes : sequence of str
        What else people want to know, on stderr.
    """

    data: Any
    text: str = ""
    notes: Sequence[str] = field(default_factory=tuple)


class CommandFailed(Exception):
    """A failure with an exit code of its own."""

    def __init__(self, reason: str, message: str, *next_steps: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.reason, self.message, self.next_steps, self.exit_code = reason, message, next_steps, exit_code


def add(app: typer.Typer, name: str, function: Callable[..., Answer]) -> None:
    """Add a command: ``function`` gets its parameters, ``--json`` and ``--debug`` come by themselves."""

    @functools.wraps(function)
    def run(*, as_json: bool, debug: bool, **arguments: object) -> None:  # noqa: ARG001 (`main` reads both)
        answer = function(**arguments)
        for note in answer.notes:
            say(note)
        if as_json:
            typer.echo(json.dumps(answer.data))
        elif answer.text:
            typer.echo(answer.text)

    # Typer reads the signature of the wrapper, and the annotations where they are evaluated.
    hints = get_type_hints(function, include_extras=True)
    parameters = [
        parameter.replace(annotation=hints[key]) for key, parameter in inspect.signature(function).parameters.items()
    ]
    for key, annotation in _COMMON.items():
        parameters.append(inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation))
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {**hints, **_COMMON, "return": None}
    app.command(name)(run)


def say(line: str) -> None:
    """Print a line to stderr."""
    typer.echo(line, err=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code."""
    from localcloud.cli.app import app

    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = typer.main.get_command(app).main(given, prog_name="localcloud", standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:
        return _fail(error, as_json=_JSON in given, debug=_DEBUG in given)
    if code == INTERRUPTED:
        # Typer makes this exit code of Ctrl-C by itself, without a word.
        return _fail(KeyboardInterrupt(), as_json=_JSON in given, debug=False)
    return code if isinstance(code, int) else 0


def _fail(error: BaseException, *, as_json: bool, debug: bool) -> int:
    failed = _failure(error)
    if debug:
        traceback.print_exception(error)
    if as_json:
        told = {"reason": failed.reason, "message": failed.message, "next": list(failed.next_steps)}
        typer.echo(json.dumps({"status": "failed", **told}))
        return failed.exit_code
    say("error: " + "\n       ".join(failed.message.splitlines()))
    for step in failed.next_steps:
        say(f"  next: {step}")
    return failed.exit_code


def _failure(error: BaseException) -> CommandFailed:
    if isinstance(error, CommandFailed):
        return error
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return CommandFailed("Interrupted", "interrupted", exit_code=INTERRUPTED)
    if callable(words := getattr(error, "format_message", None)):
        # Typer's own errors: what was typed can't be understood.
        context = getattr(error, "ctx", None)
        helped = f"{context.command_path if context else 'localcloud'} --help"
        return CommandFailed("Usage", words() or "no command given", helped, exit_code=2)
    if type(error).__module__.partition(".")[0] == "localcloud":
        steps = [step for step in (getattr(error, "next_step", ""),) if step]
        if getattr(error, "traceback", ""):
            steps.append("the program's own traceback: run it again with --debug")
        message = str(getattr(error, "message", "") or error)
        reason = str(getattr(error, "reason", "") or type(error).__name__)
        return CommandFailed(reason, message, *steps, exit_code=getattr(error, "exit_code", 1))
    words = " ".join(str(error).split()) or "no message"
    kind = type(error).__name__
    return CommandFailed(kind, f"{kind}: {words}", "run it again with --debug for the whole traceback")
