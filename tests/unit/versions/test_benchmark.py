"""The table that the benchmark of data versions keeps in memory answers as the real one does."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.versions.double import Registry
from headwater.storage.environment import CLIENTS
from headwater.storage.table import ABSENT, Table
from tests.unit.registry.cases import TABLE, make_table, mocked_aws


def answers(table: Table) -> dict[str, Any]:
    """What is found of a log of three entries beside another one's."""
    for pk, sk in (("A", "LOG#1"), ("A", "LOG#2"), ("A", "LOG#3"), ("A", "REF#1"), ("B", "LOG#9")):
        table.transact([table.put({"pk": pk, "sk": sk}, only_if=ABSENT)])
    return {
        "all": [item["sk"] for item in table.query("A", "LOG#")],
        "after": [item["sk"] for item in table.query("A", "LOG#", after="LOG#1")],
        "last": [item["sk"] for item in table.newest_first("A", "LOG#")],
        "newest": table.newest("A", "LOG#"),
        "one": table.get("B", "LOG#9"),
        "none": table.get("B", "LOG#1"),
    }


def test_both_tables_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    with mocked_aws(monkeypatch):
        make_table()
        assert answers(Registry()) == answers(Table(TABLE, CLIENTS))
