"""Moto inside this process, one call at a time, as the local cloud's front door lets them in.

Moto's backends are plain Python objects. A DynamoDB write deep-copies an item, and before a transaction the whole
table: another thread's write in between ended tests with "dictionary changed size during iteration", now and then.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import pytest
from localcloud.moto_patches import corrected
from moto import backend_index, mock_aws
from moto.core.botocore_stubber import BotocoreStubber, get_equivalent_url_in_aws_domain

_lock = threading.RLock()  # moto calls itself, too
_SERVICES = backend_index.backend_url_patterns
_QUICK = ("answers_speed", "dynamodb_speed", "dynamodb_transactions")


@lru_cache(10_000)
def _services(address: str) -> list[Any]:
    """The service whose address it is, as moto lists services; moto would ask all 150 for each request."""
    return [one for one in _SERVICES if one[1].match(address)][:1]


@contextmanager
def mocked() -> Iterator[None]:
    """`mock_aws` for tests with threads, with what makes the local cloud's moto quick."""
    process = BotocoreStubber.process_request

    def process_request(self: BotocoreStubber, request: Any) -> Any:
        parsed, _ = get_equivalent_url_in_aws_domain(request.url)
        with _lock:
            asked_before = backend_index.backend_url_patterns
            backend_index.backend_url_patterns = _services(f"{parsed.scheme}://{parsed.netloc}{parsed.path}")
            try:
                return process(self, request)
            finally:
                backend_index.backend_url_patterns = asked_before

    with pytest.MonkeyPatch.context() as patches, mock_aws(), corrected(*_QUICK):
        patches.setattr(BotocoreStubber, "process_request", process_request)
        yield
