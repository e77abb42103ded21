"""Feedback tokens: whoever holds the token of a prediction may tell whether it was right, and nothing else.

    v1.<model>.<asked>.<expires>.<key number>.<code>

``asked`` and ``expires`` are seconds since 1970; the prediction was received at ``asked``. The code
(`headwater.storage.signing.Key.code`) is about the prediction, whose id isn't part of the token, because the request
names it. Model and time are, so that the feedback route reads nothing to know them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from headwater.storage.signing import Keys, KnownKeys, NewestKey

_LABEL = "headwater feedback"
_TOKEN = re.compile(
    r"v1\.([a-z][a-z0-9_-]{0,47})\.([0-9]{1,11})\.([0-9]{1,11})\.([1-9][0-9]{0,9})\.[A-Za-z0-9_-]{22}", re.ASCII
)


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
        self._newest, self._valid_for = NewestKey(keys, seconds=seconds), valid_for

    def tokens(self, model: str, request_id: str, asked: datetime, count: int) -> list[str]:
        """A token for each of a request's ``count`` predictions, in their order."""
        key, at = self._newest(), int(asked.timestamp())
        text = f"v1.{model}.{at}.{at + int(self._valid_for.total_seconds())}.{key.number}"
        return [f"{text}.{key.code(_LABEL, text, prediction_id(request_id, number))}" for number in range(count)]


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
        self._key, self._now = KnownKeys(keys, seconds=seconds), now

    def verify(self, token: str, prediction: str) -> Held | None:
        """The content of a token for a prediction; None if it isn't genuine, is another prediction's, or has expired.

        The code is compared in constant time.
        """
        found = _TOKEN.fullmatch(token)
        if found is None:
            return None
        text, _, code = token.rpartition(".")
        key = self._key(int(found[4]))
        if key is None or not key.made(code, _LABEL, text, prediction):
            return None
        if self._now().timestamp() >= int(found[3]):
            return None
        return Held(found[1], datetime.fromtimestamp(int(found[2]), UTC))


def parameter_name(project: str, stack: str) -> str:
    """The name of the SSM parameter that holds a stack's keys."""
    return f"/headwater/{project}/{stack}/feedback-key"


def prediction_id(request_id: str, number: int) -> str:
    """The id of one of a request's predictions, counted from 0."""
    return f"{request_id}.{number}"
