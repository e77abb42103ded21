"""Ctrl-C stops the waiting, not what is waited for: which goes on, where to look at it and how to stop it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from headwater.errors import HeadwaterError


class Interrupted(HeadwaterError):
    """A person pressed Ctrl-C; the message says what goes on without them."""

    exit_code = 130


@contextmanager
def goes_on(what: str, *, next_steps: Sequence[str] = ()) -> Iterator[None]:
    """Say ``what`` goes on, and what can be done about it, if the block is interrupted."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(what, next_steps=next_steps) from None
