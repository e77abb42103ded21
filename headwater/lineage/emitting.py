"""Sends OpenLineage events: to S3 always, to a URL if one is configured. The logs of facts are the outbox."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import urllib3

from headwater.graph import Log
from headwater.lineage.index import SENT, Index
from headwater.lineage.indexer import news
from headwater.lineage.openlineage.events import OLEvent, event_body, event_key
from headwater.lineage.store import Events
from headwater.values import Value

_AT_ONCE = 10
TIMEOUT_SECONDS = 10.0
_AGAIN = frozenset({408, 425, 429})
"""Statuses that pass; all others from 400 to 499 mean that this event is never taken."""


class Undelivered(Exception):
    """Nobody took an event; it is sent again the next time."""


class Transport(Protocol):
    """A way for events."""

    @property
    def name(self) -> str:
        """Names the way among all; each has cursors of its own."""

    def send(self, event: OLEvent) -> bool:
        """Send an event; False if it was refused for good. Raises `Undelivered`."""


class Emitted(Value):
    """Result of sending events."""

    events: int = 0
    refused: tuple[str, ...] = ()
    """Events that the receiver refused for good, with its reason; the first twenty."""
    undelivered: str = ""
    """Why sending stopped early; the next call goes on there."""


@dataclass(frozen=True)
class ToS3:
    """Keeps events under ``lineage/events/`` of the artifacts bucket, each once."""

    name = "s3"

    events: Events

    def send(self, event: OLEvent) -> bool:
        """See `Transport.send`."""
        self.events.keep(event_key(event), event_body(event))
        return True


class ToUrl:
    """Posts events, as openlineage-python's HTTP transport does.

    Parameters
    ----------
    url : str
        Such as ``https://marquez.example.com/api/v1/lineage``.
    api_key : str
        Sent as a bearer token; empty: none.
    """

    name = "url"

    def __init__(self, url: str, api_key: str = "") -> None:
        self._url = url
        self._headers = {"Content-Type": "application/json"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._pool = urllib3.PoolManager(timeout=urllib3.Timeout(total=TIMEOUT_SECONDS), retries=False)

    def send(self, event: OLEvent) -> bool:
        """See `Transport.send`."""
        try:
            answer = self._pool.request("POST", self._url, body=event_body(event), headers=self._headers)
        except urllib3.exceptions.HTTPError as error:
            # The URL may hold a password: the message names neither it nor what urllib3 says of it.
            raise Undelivered(f"the receiver of events didn't answer: {type(error).__name__}") from error
        if answer.status < 300:
            return True
        if answer.status in _AGAIN or not 400 <= answer.status < 500:
            raise Undelivered(f"the receiver of events answered {answer.status}")
        if answer.status in (401, 403, 404):
            # Not this event's fault: the address or the key is wrong, and nothing would ever arrive.
            raise Undelivered(f"the receiver of events answered {answer.status}: check openlineageUrl and its key")
        return False


class Emitter:
    """Sends what logs tell by each transport, in the order of each log.

    Parameters
    ----------
    index : Index
        Keeps the cursors.
    logs : callable
        The logs of events.
    transports : iterable of Transport
    """

    def __init__(
        self, index: Index, logs: Callable[[], Iterable[Log[tuple[OLEvent, ...]]]], transports: Iterable[Transport]
    ) -> None:
        self._index, self._logs, self._transports = index, logs, tuple(transports)

    def emit(self, stop: Callable[[], bool] = lambda: False) -> Emitted:
        """Send everything since the last call.

        An event may be sent twice, after a crash or a lost answer, and is the same then: it has the same run id.
        """
        sent, refused, undelivered = 0, list[str](), ""
        for transport in self._transports:
            try:
                for log in self._logs():
                    name = f"{SENT}{transport.name}/{log.name}"
                    for told, cursor in news(log, self._index.cursor(name), at_once=_AT_ONCE):
                        for event in (event for events in told for event in events):
                            sent += 1
                            if not transport.send(event):
                                refused.append(event_key(event))
                        self._index.advance(name, cursor)
                        if stop():
                            return Emitted(events=sent, refused=tuple(refused[:20]), undelivered="out of time")
            except Undelivered as error:
                undelivered = str(error)
        return Emitted(events=sent, refused=tuple(refused[:20]), undelivered=undelivered)
