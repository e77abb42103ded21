"""The `headwater` command."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any, TextIO

from headwater.cli.command import DEBUG, JSON
from headwater.cli.failures import INTERRUPTED


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and answer with its exit code.

    0 done, 1 failed, 2 usage, 3 not found, 4 not allowed, 5 refused, 130 interrupted.
    """
    import typer

    warnings.showwarning = _show_warning
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Asked of the arguments themselves: a usage error comes before they are parsed.
    wants_json, wants_debug = JSON in given, DEBUG in given or bool(os.environ.get("HEADWATER_DEBUG"))
    try:
        code = _program().main(given, prog_name="headwater", standalone_mode=False)
    except typer.Abort:
        return _fail(KeyboardInterrupt(), wants_json=wants_json, wants_debug=False)
    except BrokenPipeError:
        # The reader of a pipe (head, less) has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, KeyboardInterrupt) as error:
        return _fail(error, wants_json=wants_json, wants_debug=wants_debug)
    if code == INTERRUPTED:
        # Typer turns Ctrl-C into this exit code by itself, without a word.
        return _fail(KeyboardInterrupt(), wants_json=wants_json, wants_debug=False)
    return code if isinstance(code, int) else 0


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,  # noqa: ARG001 (where in the code a warning was given says nothing to people)
    lineno: int,  # noqa: ARG001
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    if issubclass(category, UserWarning):
        print(f"warning: {message}", file=sys.stderr)  # noqa: T201


@cache
def _program() -> Any:
    """Every command, made of the type hints once in a process: that takes longer than most of them."""
    import typer

    from headwater.cli.app import app

    return typer.main.get_command(app)


def _fail(error: BaseException, *, wants_json: bool, wants_debug: bool) -> int:
    from headwater.cli.failures import Failure, failure
    from headwater.cli.output import as_json, harmless

    if callable(words := getattr(error, "format_message", None)):
        # Typer's own errors: what was typed can't be understood.
        # Pydantic, which Typer has check the values, says before its words what kind they are of.
        said = (words() or "no command given").replace(": Value error, ", ": ")
        failed = Failure("Usage", said, (_help_for(error),), 2)
    else:
        failed = failure(error)
    if wants_debug:
        import traceback

        traceback.print_exception(error)
    if wants_json:
        print(as_json(failed.data()), flush=True)  # noqa: T201 (stdout is where data goes)
        return failed.exit_code
    for index, line in enumerate(harmless(failed.message).splitlines()):
        print(f"error: {line}" if index == 0 else f"       {line}", file=sys.stderr)  # noqa: T201
    for step in failed.next:
        print(f"  next: {step}", file=sys.stderr)  # noqa: T201
    return failed.exit_code


def _help_for(error: BaseException) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path if context else 'headwater'} --help"
