"""Tells a webhook: a JSON document by POST, over TLS, with bounded time and retries."""

from __future__ import annotations

import hashlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from headwater.alarms.errors import InvalidWebhook, NotificationFailed
from headwater.alarms.types import AlarmRecord

_TRIES = 3


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would turn the POST into a GET and could lead anywhere."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)


class Webhook:
    """One address.

    Its path may hold a secret (chat programs do that), so only the host is ever named.

    Parameters
    ----------
    url : str
        Where to POST to.
    insecure : bool
        Whether plain http is accepted, for tests and hosts inside a private network.
    timeout : float
        Seconds for each try.
    pause : callable
        Waits for seconds before another try.
    """

    def __init__(
        self, url: str, *, insecure: bool = False, timeout: float = 5.0, pause: Callable[[float], None] = time.sleep
    ) -> None:
        parts = urlsplit(url)
        self.id = hashlib.sha256(url.encode()).hexdigest()[:16]
        self.name = parts.hostname or "?"
        if not parts.hostname or parts.scheme not in ({"https", "http"} if insecure else {"https"}):
            raise InvalidWebhook(
                f"the webhook on host {self.name!r} has scheme {parts.scheme!r}, expected an https:// address"
            )
        self._url, self._timeout, self._pause = url, timeout, pause

    def tell(self, record: AlarmRecord) -> None:
        """POST ``record``.

        Raises
        ------
        NotificationFailed
            The last try timed out or was answered with anything but 2xx. An answer of 4xx other than 408 and 429 is
            final.
        """
        request = urllib.request.Request(  # noqa: S310
            self._url,
            data=json.dumps(record.document()).encode(),
            headers={
                "Content-Type": "application/json",
                "User-Agent": "headwater-alarms",
                "Idempotency-Key": f"{record.event.id}-{self.id}",
            },
            method="POST",
        )
        for attempt in range(1, _TRIES + 1):
            try:
                with _OPENER.open(request, timeout=self._timeout):
                    return
            except urllib.error.HTTPError as error:
                problem, final = f"HTTP {error.code}", error.code < 500 and error.code not in {408, 429}
                error.close()
            except OSError as error:  # URLError and time-outs are OSErrors.
                problem, final = str(getattr(error, "reason", None) or error), False
            if final or attempt == _TRIES:
                raise NotificationFailed(f"webhook on {self.name}: {problem} (try {attempt} of {_TRIES})")
            self._pause(0.5 * 2**attempt)
