"""Moto inside this process, one call at a time, as the local cloud's front door lets them in.

Moto's backends are plain Python objects. A DynamoDB write deep-copies an item, and before a transaction the whole
table: another thread's write in between ended tests with "dictionary changed size during iteration", now and then.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber

_lock = threading.RLock()  # moto calls itself, too


@contextmanager
def mocked() -> Iterator[None]:
    """`mock_aws` for tests with threads."""
    process = BotocoreStubber.process_request

    def process_request(self: BotocoreStubber, request: Any) -> Any:
        with _lock:
            return process(self, request)

    with pytest.MonkeyPatch.context() as patches, mock_aws():
        patches.setattr(BotocoreStubber, "process_request", process_request)
        yield
