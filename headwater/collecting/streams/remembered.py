"""Messages that have landed, for as long as a queue may deliver them again."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import blake2b

MOST_REMEMBERED = 2_000_000
"""Messages that are remembered: 40 MB. Beyond, those that were sent first are forgotten first."""
SLACK = timedelta(days=1)
"""How much longer than the queue keeps it a message is remembered: it may come while it is being deleted."""
_ENTRY = struct.Struct(">16sI")


class Remembered:
    """Digests of the ids of messages, each until the queue can't have the message any more.

    ``memory`` is what `dump` gave.
    """

    def __init__(self, memory: bytes) -> None:
        self._until: dict[bytes, int] = dict(_ENTRY.iter_unpack(memory))

    def __contains__(self, message: str) -> bool:
        """Whether a message has landed."""
        return _digest(message) in self._until

    def add(self, messages: Iterable[tuple[str, datetime]], keeps: timedelta) -> None:
        """Remember messages by their ids, and the times at which they were sent.

        Parameters
        ----------
        messages : iterable of (str, datetime)
        keeps : timedelta
            How long the queue keeps a message.
        """
        for message, sent_at in messages:
            self._until[_digest(message)] = int((sent_at + keeps + SLACK).timestamp())

    def dump(self, now: datetime) -> bytes:
        """All that may still come again, as bytes."""
        oldest = int(now.timestamp())
        kept = sorted((until, digest) for digest, until in self._until.items() if until >= oldest)
        return b"".join(_ENTRY.pack(digest, until) for until, digest in kept[-MOST_REMEMBERED:])


def _digest(message: str) -> bytes:
    return blake2b(message.encode(), digest_size=16).digest()
