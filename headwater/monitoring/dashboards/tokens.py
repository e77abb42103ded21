"""Tokens by which Prometheus reads the metrics: shown once, kept as hashes, until they expire or are revoked."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pydantic import AwareDatetime

from headwater.clock import Clock, utc_now
from headwater.errors import HeadwaterError, InvalidRequest, NotFound, Refused
from headwater.storage.table import Table
from headwater.values import Stored

PREFIX = "SCRAPE#"
DAYS, MOST_DAYS = 365, 3650
"""How long a token is good for: by default, and at most."""
_NAME = re.compile(r"[a-z][a-z0-9-]{0,47}")
_BYTES = 32
# The name says which item to compare with. The rest are 256 random bits: no word list finds them, so one round of
# SHA-256 without salt hides them as well as a slow hash would.
_TOKEN = re.compile(rf"headwater\.({_NAME.pattern})\.[A-Za-z0-9_-]{{43}}")
_NOBODY = hashlib.sha256(b"").hexdigest()


class InvalidToken(InvalidRequest):
    """A token's name or lifetime that can't be."""


class TokenExists(Refused):
    """A token of that name is good already."""


class TokenNotFound(NotFound):
    """There is no token of that name."""


class TokenRefused(HeadwaterError):
    """The request shows no token, or one that is unknown, expired or revoked."""

    exit_code = 4
    http_status = 401


class ScrapeToken(Stored):
    """A token as the registry keeps it, without its secret."""

    name: str
    sha256: str
    """Hash of the whole token, in hexadecimal digits."""
    created_at: AwareDatetime
    created_by: str = ""
    expires_at: AwareDatetime
    revoked_at: AwareDatetime | None = None

    def is_good(self, now: datetime) -> bool:
        """Whether the token opens anything at ``now``."""
        return self.revoked_at is None and now < self.expires_at


class Created(NamedTuple):
    """A new token, and its kept part."""

    token: str
    """Can't be had again."""
    kept: ScrapeToken


@dataclass(frozen=True)
class ScrapeTokens:
    """Makes, lists, revokes and checks tokens."""

    table: Table
    """The registry table."""
    now: Clock = utc_now

    def create(self, name: str, *, days: int = DAYS, by: str = "") -> Created:
        """Make a token.

        Parameters
        ----------
        name, days
            As of `headwater.client.scrape_tokens.Tokens.create`.
        by : str
            The person who makes it.

        Raises
        ------
        InvalidToken
            The name or the number of days.
        TokenExists
            One of that name is good; one that expired or was revoked is replaced.
        """
        if not _NAME.fullmatch(name):
            raise InvalidToken(
                f"the name {name!r} of a token: expected up to 48 small letters, digits and hyphens, a letter first"
            )
        if not 1 <= days <= MOST_DAYS:
            raise InvalidToken(f"{days} days: expected 1 to {MOST_DAYS}")
        now, earlier = self.now(), self._find(name)
        if earlier and earlier.is_good(now):
            raise self._exists(earlier)
        token = f"headwater.{name}.{secrets.token_urlsafe(_BYTES)}"
        kept = ScrapeToken(
            name=name, sha256=_hash(token), created_at=now, created_by=by, expires_at=now + timedelta(days=days)
        )
        if not self._write(kept, replaces=earlier):
            # Somebody else was faster, or the answer to our own write was lost.
            standing = self._find(name)
            if standing is None or standing.sha256 != kept.sha256:
                raise self._exists(standing or kept)
        return Created(token, kept)

    def all(self) -> tuple[ScrapeToken, ...]:
        """All tokens by name, without their secrets, those that expired or were revoked too."""
        return tuple(map(ScrapeToken.from_item, self.table.query(PREFIX, "")))

    def revoke(self, name: str) -> ScrapeToken:
        """Make a token useless from now on; a second time changes nothing.

        Raises
        ------
        TokenNotFound
        """
        while True:
            kept = self._find(name)
            if kept is None:
                raise TokenNotFound(f"there is no token {name!r}", next_steps=["headwater monitor token list"])
            if kept.revoked_at is not None:
                return kept
            revoked = kept.model_copy(update={"revoked_at": self.now()})
            if self._write(revoked, replaces=kept):
                return revoked

    def admit(self, token: str) -> ScrapeToken:
        """The kept part of ``token``, if the token is good.

        Raises
        ------
        TokenRefused
            The token is unknown, expired or revoked. The message doesn't say which.
        """
        read = _TOKEN.fullmatch(token)
        kept = self._find(read[1]) if read else None
        # Compared even where there is nothing to compare with, byte by byte in the same time for every hash.
        same = hmac.compare_digest(_hash(token), kept.sha256 if kept else _NOBODY)
        if kept and same and kept.is_good(self.now()):
            return kept
        raise TokenRefused(
            "expected a token that is known, not expired and not revoked, as Authorization: Bearer headwater...",
            next_steps=["headwater monitor token create"],
        )

    def _find(self, name: str) -> ScrapeToken | None:
        item = self.table.get(PREFIX, name)
        return None if item is None else ScrapeToken.from_item(item)

    def _write(self, kept: ScrapeToken, *, replaces: ScrapeToken | None) -> bool:
        item: Mapping[str, Any] = {"pk": PREFIX, "sk": kept.name, **kept.model_dump(mode="json")}
        return self.table.write(self.table.put_over(item, "sha256", replaces.sha256 if replaces else None))

    def _exists(self, kept: ScrapeToken) -> TokenExists:
        return TokenExists(
            f"a token {kept.name!r} is good until {kept.expires_at:%Y-%m-%d}: revoke it, or give another name",
            next_steps=[f"headwater monitor token revoke {kept.name}"],
        )


def bearer(authorization: str) -> str:
    """The token of a header ``Authorization``; empty if it holds none."""
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
