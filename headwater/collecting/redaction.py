"""Errors are told without secrets: drivers and services repeat addresses, passwords and tokens."""

from __future__ import annotations

import json
import traceback
from contextlib import suppress
from urllib.parse import quote, quote_plus, unquote, urlsplit

from headwater.collecting.types import LONGEST_REASON

HIDDEN = "***"
_NO_SECRETS = frozenset({"dbname", "engine", "host", "port"})
"""Parts of RDS's secrets in Secrets Manager that a message should name."""
SHORTEST = 4
"""Characters of a part of a secret that is hidden by itself: shorter ones would hide half of each sentence."""


class Redaction:
    """Remembers secrets as they are read, and takes them out of texts."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()

    def add(self, secret: str) -> str:
        """Remember a secret, and what it consists of if it is an address or a header. Returns it."""
        parts = {secret, *secret.split()}
        try:
            address = urlsplit(secret)
            if address.scheme and address.netloc:
                parts |= {address.netloc, address.password or "", unquote(address.password or "")}
                parts |= {address.query, *(pair.partition("=")[2] for pair in address.query.split("&"))}
        except ValueError:
            pass
        with suppress(ValueError):
            kept = json.loads(secret)
            if isinstance(kept, dict):
                parts |= {str(value) for name, value in kept.items() if name not in _NO_SECRETS}
        for part in list(parts):
            parts |= {quote(part), quote_plus(part), quote(part, safe=""), repr(part)[1:-1]}
        self._secrets |= {part for part in parts if len(part) >= SHORTEST}
        return secret

    def __call__(self, text: str) -> str:
        """``text`` without any of the secrets."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text

    def line(self, error: BaseException) -> str:
        """An error in one line."""
        words = " ".join(self(str(error)).split()) or type(error).__name__
        return words if len(words) <= LONGEST_REASON else f"{words[: LONGEST_REASON - 3]}..."

    def trace(self, error: BaseException) -> str:
        """An error with its stack, for the log."""
        return self("".join(traceback.format_exception(error)))
