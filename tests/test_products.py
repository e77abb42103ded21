"""Every product of the project holds together. Needs no cloud."""

from __future__ import annotations

from headwater.checking import problems
from headwater.declare import load_catalog


def test_every_product_holds_together() -> None:
    assert problems(load_catalog()) == []
