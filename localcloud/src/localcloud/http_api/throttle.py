"""Throttling by token bucket, as API Gateway does it.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class TokenBucket:
    """Lets ``rate`` requests a second through, after a burst of ``burst``."""

    def __init__(self, rate: float, burst: float, now: Callable[[], float] = time.monotonic) -> None:
        self.rate, self.burst = rate, burst
        self._now = now
        self._lock = threading.Lock()
        self._tokens, self._filled = burst, now()

    def take(self) -> bool:
        """Whether this request may pass."""
        with self._lock:
            moment = self._now()
            self._tokens = min(self.burst, self._tokens + (moment - self._filled) * self.rate)
            self._filled = moment
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True
