"""The root of every error that Headwater raises, and how a command line or an API shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class HeadwaterError(Exception):
    """Something a user can act on: says what was given, what was expected and what to do.

    Parameters
    ----------
    message : str
        One line, in words.
    next_steps : sequence of str
        Commands or places to look at, shown below the message.
    """

    exit_code: ClassVar[int] = 1
    """The exit code of the `headwater` command: 1 failed, 2 usage, 3 not found, 4 not allowed, 5 refused."""
    http_status: ClassVar[int] = 500
    """The status of the API's answer."""

    def __init__(self, message: str, *, next_steps: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.next_steps = tuple(next_steps)

    @property
    def reason(self) -> str:
        """The error's name as machines read it: the class's name."""
        return type(self).__name__


class InvalidRequest(HeadwaterError):
    """The caller's input is malformed; sending it again unchanged can't help."""

    exit_code = 2
    http_status = 400


class NotFound(HeadwaterError):
    """The named thing doesn't exist."""

    exit_code = 3
    http_status = 404


class NotAllowed(HeadwaterError):
    """AWS, or a check of ours, refused: the caller lacks a permission."""

    exit_code = 4
    http_status = 403


class Refused(HeadwaterError):
    """A rule said no (a gate, a contract, a conflict); nothing was changed."""

    exit_code = 5
    http_status = 409
