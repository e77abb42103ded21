"""Moto inside this process answers one call at a time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from moto.dynamodb.models import DynamoDBBackend

from tests.mocking import mocked


def test_two_threads_are_never_in_moto_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, both = threading.Semaphore(1), threading.Barrier(2)
    met: list[bool] = []
    original = DynamoDBBackend.list_tables

    def list_tables(self: DynamoDBBackend, *arguments: object, **more: object) -> object:
        alone = inside.acquire(blocking=False)
        met.append(not alone)
        try:
            return original(self, *arguments, **more)  # type: ignore[arg-type]
        finally:
            if alone:
                inside.release()

    monkeypatch.setattr(DynamoDBBackend, "list_tables", list_tables)
    with mocked():
        client = boto3.client(
            "dynamodb", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        )

        def ask(_: int) -> None:
            both.wait()
            for _ in range(20):
                client.list_tables()

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(ask, range(2)))
    assert len(met) == 40
    assert not any(met)
