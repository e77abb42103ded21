"""New keys for signed links and tokens: the shared part of the commands that make them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from headwater.cli.output import Answer, confirm, note

if TYPE_CHECKING:

    class Rotate(Protocol):
        """A verb of the client that makes a key."""

        def __call__(self, *, revoke: bool) -> int:
            """The new key's number."""


RevokeOption = Annotated[bool, typer.Option("--revoke", help="Refuse what earlier keys signed, which others may know.")]


def rotated(rotate: Rotate, signed: str, *, revoke: bool, yes: bool) -> Answer:
    """Make a key and say from when on it signs ``signed``, such as ``links``; ask before others are refused."""
    if revoke:
        confirm(f"Nobody will be able to use {signed} that were given before. Go on?", yes)
    number = rotate(revoke=revoke)
    refused = ", and earlier ones are refused by then" if revoke else ""
    note(f"key {number} signs {signed} within five minutes{refused}")
    return Answer({"key": number, "revoked": revoke})
