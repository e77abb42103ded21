"""Products that passed aren't checked again until something that the outcome depends on has changed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pulumi
import pytest

from headwater.infra.platform import products

PRODUCT = """
from headwater.declare import Source

SOURCE = Source(name="{name}", contract=".contracts:{contract}")
"""
CONTRACTS = """
import pandera.pandas as pa

ROWS = pa.DataFrameSchema({"id": pa.Column(str), "event_time": pa.Column("datetime64[ns, UTC]")})
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with a product of one source; each load of it reads the files anew."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("requirements", "fresh_products/shop"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "fresh_products" / "__init__.py").touch()
    (tmp_path / "fresh_products" / "shop" / "__init__.py").touch()
    (tmp_path / "fresh_products" / "shop" / "contracts.py").write_text(CONTRACTS)
    write(tmp_path, "rows")
    yield tmp_path
    forget()


def write(root: Path, name: str, contract: str = "ROWS") -> None:
    (root / "fresh_products" / "shop" / "product.py").write_text(PRODUCT.format(name=name, contract=contract))
    forget()


def forget() -> None:
    for name in [name for name in sys.modules if name.startswith("fresh_products")]:
        del sys.modules[name]


def test_what_passed_is_loaded_without_another_check(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(products.check_products("fresh_products", root=root).sources) == {"rows"}
    with monkeypatch.context() as watched:
        watched.setattr("headwater.checking.checked_catalog", lambda _: pytest.fail("checked again"))
        assert set(products.check_products("fresh_products", root=root).sources) == {"rows"}


def test_a_change_is_checked_and_a_refusal_is_not_remembered_as_a_pass(root: Path) -> None:
    products.check_products("fresh_products", root=root)
    write(root, "rows", contract="MISSING")
    for _ in range(2):
        with pytest.raises(pulumi.RunError, match="nothing was deployed"):
            products.check_products("fresh_products", root=root)
        forget()
    write(root, "others")
    assert set(products.check_products("fresh_products", root=root).sources) == {"others"}


@pytest.mark.parametrize(
    "changed", ["fresh_products/shop/sample.csv", "requirements/training.txt", "pyproject.toml", "library/new.py"]
)
def test_each_file_that_a_check_reads_counts(root: Path, changed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "library").mkdir()
    monkeypatch.setattr(products, "LIBRARY", root / "library")
    before = products.digest_of("fresh_products", root)
    (root / changed).write_text("something else")
    assert products.digest_of("fresh_products", root) != before
