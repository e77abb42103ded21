"""Secrets that a declaration refers to (`headwater.declare.secrets.Secret`): read when needed, kept for a while."""

from __future__ import annotations

import time

from headwater.storage.clients import Clients

REMEMBERED = 300.0
"""Seconds that a secret is remembered: one that was changed counts five minutes later."""


class Secrets:
    """Secrets of Systems Manager and Secrets Manager; only these two calls ever see them."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._known: dict[str, tuple[float, str]] = {}

    def __call__(self, place: str) -> str:
        """The secret kept at ``ssm:/path`` or ``secretsmanager:name``, without white space around it.

        Raises
        ------
        botocore.exceptions.ClientError
            It doesn't exist, or may not be read.
        """
        at, value = self._known.get(place, (0.0, ""))
        if not value or time.monotonic() - at > REMEMBERED:
            value = self._read(place).strip()
            self._known[place] = (time.monotonic(), value)
        return value

    def forget(self) -> None:
        """Read every secret anew: one may have been changed."""
        self._known.clear()

    def _read(self, place: str) -> str:
        service, _, name = place.partition(":")
        if service == "ssm":
            return str(self._clients("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])
        return str(self._clients("secretsmanager").get_secret_value(SecretId=name)["SecretString"])
