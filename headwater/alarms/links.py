"""Signed links in notifications: whoever holds one may read a group and acknowledge it, and nothing else.

    v1.<receiver>.<expires>.<key number>.<code>

``expires`` is in seconds since 1970. The code (`headwater.storage.signing.Key.code`) is about the group, which isn't
part of the token, because the path names it.
"""

from __future__ import annotations

import re
from datetime import timedelta

from headwater.alarms.errors import LinkRefused
from headwater.alarms.types import Notice
from headwater.clock import Clock, utc_now
from headwater.routes import ALARM_PAGE
from headwater.storage.signing import Keys, KnownKeys, NewestKey

VALID_FOR = timedelta(days=7)
"""How long a link opens its group, from when people were told."""
_LABEL = "headwater alarm link"
_TOKEN = re.compile(r"v1\.([a-z][a-z0-9_-]{0,47})\.([0-9]{1,11})\.([1-9][0-9]{0,9})\.[A-Za-z0-9_-]{22}", re.ASCII)


class Links:
    """Makes links. The key is fetched, or made, when the first one is. ``url`` is the API's address."""

    def __init__(self, url: str, keys: Keys) -> None:
        self._url, self._newest = url.rstrip("/"), NewestKey(keys)

    def to(self, notice: Notice, receiver: str) -> str:
        """The link for one receiver: the same for every try."""
        key = self._newest()
        text = f"v1.{receiver}.{int((notice.at + VALID_FOR).timestamp())}.{key.number}"
        token = f"{text}.{key.code(_LABEL, text, notice.group)}"
        return f"{self._url}{ALARM_PAGE.url(group=notice.group)}?token={token}"


class LinkVerifier:
    """Checks links' tokens. It makes no key: without one no token is genuine."""

    def __init__(self, keys: Keys, *, now: Clock = utc_now) -> None:
        self._key, self._now = KnownKeys(keys), now

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
        genuine = found and key and key.made(code, _LABEL, text, group)
        if found and genuine and self._now().timestamp() < int(found[2]):
            return found[1]
        raise LinkRefused(
            "this link doesn't open the alarm (any more): take the one of the newest message, or headwater alarms ack",
            next_steps=["headwater alarms list"],
        )


def parameter_name(project: str, stack: str) -> str:
    """The name of the SSM parameter that holds a stack's keys."""
    return f"/headwater/{project}/{stack}/alarm-link-key"
