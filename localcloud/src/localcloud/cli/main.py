"""Runs a command, and says how it failed."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Sequence

import typer

from localcloud.cli.app import app
from localcloud.cli.command import DEBUG, INTERRUPTED, JSON, CommandFailed, say


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = typer.main.get_command(app).main(given, prog_name="localcloud", standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:
        return _fail(error, as_json=JSON in given, debug=DEBUG in given)
    if code == INTERRUPTED:
        # Typer makes this exit code of Ctrl-C by itself, without a word.
        return _fail(KeyboardInterrupt(), as_json=JSON in given, debug=False)
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
