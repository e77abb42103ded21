"""Signed links in notifications: whoever holds one may read a group and acknowledge it, and nothing else.

    v1.<receiver>.<expires>.<key number>.<code>

``expires`` is in seconds since 1970. The code is HMAC-SHA256 (RFC 2104) over a label, the text before it and the
group's id, cut to 16 bytes, in base64url without padding. The group isn't part of the token, because the path names it.
"""

from __future__ import annotations

import base64
import hmac
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from headwater.alarms.errors import LinkRefused
from headwater.alarms.types import Notice
from headwater.routes import ALARM_PAGE
from headwater.storage.signing import Key, Keys, KnownKeys, NewestKey

VALID_FOR = timedelta(days=7)
"""How long a link opens its group, from when people were told."""
_LABEL = "headwater alarm link"
_CODE_BYTES = 16
_TOKEN = re.compile(r"v1\.([a-z][a-z0-9_-]{0,47})\.([0-9]{1,11})\.([1-9][0-9]{0,9})\.[A-Za-z0-9_-]{22}", re.ASCII)


class Links:
    """Makes links. The key is fetched, or made, when the first one is.

    Parameters
    ----------
    url : str
        The API's address.
    keys : Keys
    seconds : callable
        A clock that never goes back.
    """

    def __init__(self, url: str, keys: Keys, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._url, self._newest = url.rstrip("/"), NewestKey(keys, seconds=seconds)

    def to(self, notice: Notice, receiver: str) -> str:
        """The link for one receiver: the same for every try."""
        key = self._newest()
        text = f"v1.{receiver}.{int((notice.at + VALID_FOR).timestamp())}.{key.number}"
        token = f"{text}.{_code(key, text, notice.group)}"
        return f"{self._url}{ALARM_PAGE.url(group=notice.group)}?token={token}"


class LinkVerifier:
    """Checks links' tokens. It makes no key: without one no token is genuine.

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

    def admit(self, token: str, group: str) -> str:
        """The receiver that a genuine token for ``group`` was sent to.

        Raises
        ------
        LinkRefused
            The token isn't genuine, is another group's, or has expired. The message doesn't say which.
        """
        found = _TOKEN.fullmatch(token)
        text, _, code = token.rpartition(".")
        key = self._key(int(found[3])) if found else None
        # Texts are compared, not bits: base64 has several spellings of the same.
        genuine = found and key and hmac.compare_digest(_code(key, text, group).encode(), code.encode())
        if found and genuine and self._now().timestamp() < int(found[2]):
            return found[1]
        raise LinkRefused(
            "this link doesn't open the alarm (any more): take the one of the newest message, or headwater alarms ack",
            next_steps=["headwater alarms list"],
        )


def parameter_name(project: str, stack: str) -> str:
    """The name of the SSM parameter that holds a stack's keys."""
    return f"/headwater/{project}/{stack}/alarm-link-key"


def _code(key: Key, text: str, group: str) -> str:
    digest = hmac.digest(key.secret, f"{_LABEL}\n{text}\n{group}".encode("utf-8", "surrogatepass"), "sha256")
    return base64.urlsafe_b64encode(digest[:_CODE_BYTES]).rstrip(b"=").decode()
