"""Feedback tokens: whoever holds the token of a prediction may tell whether it was right, and nothing else.

    v1.<model>.<asked>.<expires>.<key number>.<code>

``asked`` and ``expires`` are seconds since 1970; the prediction was received at ``asked``. The code is HMAC-SHA256
(RFC 2104) over a label, the text before it and the prediction's id, cut to its first 16 bytes (128 bits; RFC 2104,
section 5, asks for 80 bits and half the hash), in base64url without padding. The id isn't part of the token, because
the request names it. Model and time are, so that the feedback route reads nothing to know them.
"""

from __future__ import annotations

import base64
import hmac
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

CODE_BYTES = 16
REFRESH_SECONDS = 300.0
"""How long a signer and a verifier believe that the newest key is the newest: the time a rotation takes to arrive."""
_SOONEST_SECONDS = 5.0
"""Unknown numbers of keys make a verifier ask no more often than this: anybody can send them."""
_MOST_VERSIONS = 100
"""Versions of a parameter that AWS keeps (`ParameterMaxVersionLimitExceeded` in the reference of SSM)."""
_LABEL = "headwater feedback"
_TOKEN = re.compile(
    r"v1\.([a-z][a-z0-9_-]{0,47})\.([0-9]{1,11})\.([0-9]{1,11})\.([1-9][0-9]{0,9})\.[A-Za-z0-9_-]{22}", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Key:
    """A key that signs tokens."""

    number: int
    """1, 2, ...: the version of the parameter that holds it."""
    secret: bytes
    oldest: int = 1
    """Tokens of keys with a smaller number are refused; with 1 all verify until they expire."""

    def __repr__(self) -> str:
        # A key that is part of an error or a log line stays secret.
        return f"Key(number={self.number})"


class Keys(Protocol):
    """Where keys are kept (`headwater.serving.feedback.store.KeyStore`)."""

    def newest(self) -> Key | None:
        """The key that signs; None if there is none yet."""

    def create(self) -> Key:
        """The first key, made now or by whoever was faster."""

    def numbered(self, number: int) -> Key | None:
        """The key of that number; None if there is none, or none any more."""


class Held(NamedTuple):
    """The content of a token that is known to be genuine."""

    model: str
    asked: datetime
    """When the prediction's request was received, to the second."""


class Signer:
    """Makes tokens. The key is fetched, or made, when the first one is asked for.

    Parameters
    ----------
    keys : Keys
    valid_for : timedelta
    seconds : callable
        A clock that never goes back.
    """

    def __init__(self, keys: Keys, valid_for: timedelta, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._keys, self._valid_for, self._seconds = keys, valid_for, seconds
        self._key: tuple[Key, float] | None = None

    def tokens(self, model: str, request_id: str, asked: datetime, count: int) -> list[str]:
        """A token for each of a request's ``count`` predictions, in their order."""
        key, at = self._newest(), int(asked.timestamp())
        text = f"v1.{model}.{at}.{at + int(self._valid_for.total_seconds())}.{key.number}"
        return [f"{text}.{_code(key, text, prediction_id(request_id, number))}" for number in range(count)]

    def _newest(self) -> Key:
        now = self._seconds()
        if self._key is None or now - self._key[1] > REFRESH_SECONDS:
            self._key = self._keys.newest() or self._keys.create(), now
        return self._key[0]


class Verifier:
    """Checks tokens. It makes no key: without one no token is genuine.

    Parameters
    ----------
    keys : Keys
    now : callable
        The time, UTC.
    seconds : callable
        A clock that never goes back.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys, self._now, self._seconds = keys, now, seconds
        self._newest: tuple[Key | None, float] | None = None
        self._known: dict[int, Key | None] = {}

    def verify(self, token: str, prediction: str) -> Held | None:
        """The content of a token for a prediction; None if it isn't genuine, is another prediction's, or has expired.

        The code is compared in constant time.
        """
        found = _TOKEN.fullmatch(token)
        if found is None:
            return None
        text, _, code = token.rpartition(".")
        key = self._key(int(found[4]))
        if key is None or not hmac.compare_digest(_code(key, text, prediction).encode(), code.encode()):
            return None
        if self._now().timestamp() >= int(found[3]):
            return None
        return Held(found[1], datetime.fromtimestamp(int(found[2]), UTC))

    def _key(self, number: int) -> Key | None:
        newest = self._refreshed(REFRESH_SECONDS)
        if newest is None or number > newest.number:
            # Made since the last look, or by nobody.
            newest = self._refreshed(_SOONEST_SECONDS)
        if newest is None or not max(newest.oldest, newest.number - _MOST_VERSIONS + 1) <= number <= newest.number:
            return None
        if number == newest.number:
            return newest
        if number not in self._known:
            # A version never changes, and there are a hundred at most: each is asked for once.
            self._known[number] = self._keys.numbered(number)
        return self._known[number]

    def _refreshed(self, after: float) -> Key | None:
        now = self._seconds()
        if self._newest is None or now - self._newest[1] > after:
            newest = self._keys.newest()
            if self._newest is not None and self._newest[0] != newest:
                # If somebody deleted the parameter its versions began at 1 again.
                self._known.clear()
            self._newest = newest, now
        return self._newest[0]


def parameter_name(project: str, stack: str) -> str:
    """The name of the SSM parameter that holds a stack's keys."""
    return f"/headwater/{project}/{stack}/feedback-key"


def prediction_id(request_id: str, number: int) -> str:
    """The id of one of a request's predictions, counted from 0."""
    return f"{request_id}.{number}"


def _code(key: Key, text: str, prediction: str) -> str:
    digest = hmac.digest(key.secret, f"{_LABEL}\n{text}\n{prediction}".encode("utf-8", "surrogatepass"), "sha256")
    return base64.urlsafe_b64encode(digest[:CODE_BYTES]).rstrip(b"=").decode()
