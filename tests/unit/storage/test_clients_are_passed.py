"""AWS is called in stores, and with clients that somebody passed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CALLERS = {"storage", "client", "demo", "infra"}
"""Packages that call AWS wherever they like: they say how it is called, or do what a user or a deployment does."""


def asked_for(file: Path) -> Iterator[int]:
    """The lines on which a module asks some clients for that of a service."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if called.strip("_").lower() == "clients":
                yield node.lineno


def test_a_service_is_asked_in_a_store_alone() -> None:
    found = {
        f"{file.relative_to(ROOT)}:{line}"
        for file in (ROOT / "headwater").rglob("*.py")
        if file.relative_to(ROOT).parts[1] not in CALLERS and file.name != "store.py"
        for line in asked_for(file)
    }
    assert not found, "calls of AWS belong into the capability's store.py"


def test_the_stores_are_seen_by_this_rule() -> None:
    assert list(asked_for(ROOT / "headwater/alarms/store.py"))
