"""Files of a user's, and the products that are written for them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from headwater.templates import write_from


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str, name: str = "orders.csv") -> Path:
        path = tmp_path / name
        path.write_text(text + "\n", encoding="utf-8")
        return path

    return write


@pytest.fixture
def product(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ModuleType]]:
    """Writes a product for a file into a project, and imports what was written."""
    monkeypatch.syspath_prepend(str(tmp_path / "project"))
    kept = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "pipelines"}

    def forget() -> None:
        for name in [name for name in sys.modules if name.split(".")[0] == "pipelines"]:
            del sys.modules[name]

    def make(path: Path, label: str | None = None) -> ModuleType:
        (tmp_path / "project" / "pipelines").mkdir(parents=True)
        (tmp_path / "project" / "pipelines" / "__init__.py").touch()
        write_from(tmp_path / "project", "basket", path, label)
        forget()
        importlib.invalidate_caches()
        return importlib.import_module("pipelines.basket.product")

    yield make
    forget()
    sys.modules.update(kept)
