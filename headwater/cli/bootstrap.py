"""`headwater bootstrap`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.command import commands
from headwater.cli.output import Answer, answered, note

if TYPE_CHECKING:
    from rich.console import Console

    from headwater.bootstrap.service import Bootstrapped


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    commands(app, bootstrap)


def bootstrap(
    stack: Annotated[
        str,
        typer.Option(
            "--stack", "-s", envvar="HEADWATER_STACK", help="Stack to prepare for; local: the local cloud that runs."
        ),
    ] = "dev",
    bucket: Annotated[
        str | None, typer.Option("--bucket", help="Bucket's name. [default: headwater-state-<account>-<region>]")
    ] = None,
    kms_key: Annotated[
        str | None,
        typer.Option(
            "--kms-key",
            help="Id, ARN or alias/NAME of the KMS key that encrypts the stack's secrets; a passphrase by default.",
        ),
    ] = None,
) -> Answer:
    """Make the bucket for Pulumi's state, or bring its settings up to date, and say how Pulumi is told to use it."""
    from headwater.bootstrap.service import bootstrap as make
    from headwater.client.description import LOCAL, STATE_BUCKET, clients_for

    clients = clients_for(stack)
    made = make(stack, clients, bucket=bucket or (STATE_BUCKET if stack == LOCAL else None), kms_key=kms_key)
    note(f"state bucket {made.bucket} in {made.region}: {'made' if made.created else 'was there, settings applied'}")
    return answered(made, _show)


def _show(console: Console, made: Bootstrapped) -> None:
    for line in made.commands:
        console.print(line, soft_wrap=True)
