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
from localcloud.moto_patches import corrected
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber

_lock = threading.RLock()  # moto calls itself, too
_QUICK = ("answers_speed", "dynamodb_speed", "dynamodb_transactions")


@contextmanager
def mocked() -> Iterator[None]:
    """`mock_aws` for tests with threads, with what makes the local cloud's moto quick."""
    process = BotocoreStubber.process_request

    def process_request(self: BotocoreStubber, request: Any) -> Any:
        with _lock:
            return process(self, request)

    with pytest.MonkeyPatch.context() as patches, mock_aws(), corrected(*_QUICK):
        patches.setattr(BotocoreStubber, "process_request", process_request)
        yield
