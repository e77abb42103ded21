"""Candidates and tables for tests of everything that stands on the registry."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from headwater.registry.types import Candidate, GateOutcome, Parity
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table, WriteRefused
from headwater.values import Pointer
from tests.mocking import mocked

TABLE = "registry"


@contextmanager
def mocked_aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """moto inside this process, and no client that was made for anything else."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    CLIENTS.forget()
    with mocked():
        yield
    CLIENTS.forget()


def make_table(name: str = TABLE) -> None:
    """The registry's table as the infrastructure makes it."""
    CLIENTS("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )


def candidate(run_id: str = "run-1", *, model: str = "delays", passed: bool = True, **changes: Any) -> Candidate:
    """A candidate that passed its gate, or failed it."""
    gate = GateOutcome(metric="roc_auc", rule="at_least", value=0.72 if passed else 0.6, limit=0.7, passed=passed)
    return Candidate(
        model=model,
        run_id=run_id,
        package=Pointer(bucket="artifacts", key=f"runs/{model}/{run_id}/package.json", version_id="1"),
        metrics={"roc_auc": gate.value or 0.0},
        gates=(gate,),
        parity=Parity(rows=100, largest_difference=1e-7, tolerance=1e-4, passed=True),
        data_version="d" * 64,
        code_version="c0ffee",
        created_at=datetime(2013, 5, 1, tzinfo=UTC),
    ).model_copy(update=changes)


class OneAtATime(Table):
    """moto loses updates of concurrent calls, AWS doesn't: calls are made one at a time, in any order."""

    def __init__(self, table: str) -> None:
        super().__init__(table, CLIENTS)
        lock = threading.RLock()
        inner = self._dynamodb

        class Locked:
            def __getattr__(self, name: str) -> Any:
                def call(*args: Any, **kwargs: Any) -> Any:
                    with lock:
                        return getattr(inner, name)(*args, **kwargs)

                return call

            def get_paginator(self, name: str) -> Any:
                paginator = inner.get_paginator(name)

                class Pages:
                    def paginate(self, **arguments: Any) -> list[Any]:
                        with lock:
                            return list(paginator.paginate(**arguments))

                return Pages()

        self._dynamodb = Locked()


class LosesAnswers(Table):
    """The first write is applied, its answer is lost, and the retry is refused by the write's own condition."""

    def __init__(self, table: str) -> None:
        super().__init__(table, CLIENTS)
        self.lost = 0

    def transact(self, writes: Sequence[Mapping[str, Any]]) -> None:
        super().transact(writes)
        if not self.lost:
            self.lost += 1
            raise WriteRefused("ConditionalCheckFailed")


class MeetsOthers(Table):
    """Before the first write, ``first`` writes something else."""

    def __init__(self, table: str, first: Any) -> None:
        super().__init__(table, CLIENTS)
        self._first = first

    def transact(self, writes: Sequence[Mapping[str, Any]]) -> None:
        first, self._first = self._first, None
        if first:
            first()
        super().transact(writes)
