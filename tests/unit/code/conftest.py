from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.code.repositories import alone, repository


@pytest.fixture(autouse=True)
def nobodys_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    alone(monkeypatch)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return repository(tmp_path / "flights")
