"""How a command is declared and answers: data on stdout, everything else on stderr, ``--json`` everywhere.

Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 5 refused, 130 interrupted.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, get_type_hints

import typer

INTERRUPTED = 130
JSON, DEBUG = "--json", "--debug"
_COMMON = {
    "as_json": Annotated[bool, typer.Option(JSON, help="Print one line of JSON to stdout, also on failure.")],
    "debug": Annotated[bool, typer.Option(DEBUG, help="Show the whole traceback of a failure.")],
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
