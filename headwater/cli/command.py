"""How a command is declared: a function that answers; ``--json`` and ``--debug`` come with every one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, get_type_hints

import typer

from headwater.cli.output import Answer, as_json, data_console

if TYPE_CHECKING:
    from headwater.client import Stack

JSON = "--json"
DEBUG = "--debug"

StackOption = Annotated[
    str | None,
    typer.Option(
        "--stack",
        "-s",
        envvar="HEADWATER_STACK",
        help="Stack to talk to; by default the local cloud that runs in this project.",
    ),
]
PortOption = Annotated[
    int | None,
    typer.Option(
        "--port",
        envvar="HEADWATER_PORT",
        min=0,
        max=65535,
        help="Port of the local cloud on 127.0.0.1; 0 takes a free one. [default: 4610]",
    ),
]


class Engine(StrEnum):
    """The engine that deploys on the local cloud."""

    EMBEDDED = "embedded"
    PULUMI = "pulumi"


EngineOption = Annotated[
    Engine,
    typer.Option(
        "--engine",
        envvar="HEADWATER_ENGINE",
        help="The engine that deploys: Headwater's own, or the Pulumi CLI (on PATH, or built by `make pulumi`).",
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask for confirmation.")]
_JsonOption = Annotated[bool, typer.Option(JSON, help="Print one line of JSON to stdout, also on failure.")]
_DebugOption = Annotated[bool, typer.Option(DEBUG, help="Show the whole traceback of a failure.")]


def connect(stack: str | None) -> Stack:
    """The stack of ``--stack``; imports the client, and so botocore, when a command asks for it."""
    from headwater import client

    return client.connect(stack)


def group(name: str, summary: str, parent: typer.Typer) -> typer.Typer:
    """Add a group of commands to ``parent``."""
    made = typer.Typer(name=name, help=summary, no_args_is_help=True, rich_markup_mode=None)
    parent.add_typer(made)
    return made


def command(app: typer.Typer, name: str) -> Callable[[Callable[..., Answer]], Callable[..., None]]:
    """Add a command to ``app``: its answer is printed as JSON or shown, whichever was asked for.

    A command that needs to know reads ``--json`` through `wants_json`.
    """

    def register(function: Callable[..., Answer]) -> Callable[..., None]:
        @functools.wraps(function)
        def run(*, as_json_line: bool, debug: bool, **arguments: object) -> None:  # noqa: ARG001 (read by `main`)
            answer = function(**arguments)
            if as_json_line:
                typer.echo(as_json(answer.data))
            elif answer.show is not None:
                answer.show(data_console())
            if answer.exit_code:
                raise typer.Exit(answer.exit_code)

        common = (("as_json_line", _JsonOption), ("debug", _DebugOption))
        # Typer reads the wrapper's signature, where the names in the function's annotations mean nothing.
        hints = {**get_type_hints(function, include_extras=True), **dict(common), "return": None}
        given = [entry.replace(annotation=hints[key]) for key, entry in inspect.signature(function).parameters.items()]
        extra = [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation)
            for key, annotation in common
        ]
        run.__signature__ = inspect.Signature([*given, *extra], return_annotation=None)  # type: ignore[attr-defined]
        run.__annotations__ = hints
        app.command(name)(run)
        return run

    return register


def commands(app: typer.Typer, *functions: Callable[..., Answer]) -> None:
    """Add each function as the command that its name begins with: ``list_views`` is ``list``."""
    for function in functions:
        command(app, function.__name__.partition("_")[0])(function)


def wants_json(context: typer.Context) -> bool:
    """Whether the running command was given ``--json``."""
    return bool(context.params.get("as_json_line"))
