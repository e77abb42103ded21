"""The contributions of all capabilities: each package's ``lineage.py``, found by itself."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec

import headwater
from headwater.graph import Contribution, Node, NodeKind


@cache
def contributions() -> Mapping[str, Contribution]:
    """The value ``LINEAGE`` of every module ``headwater.<capability>.lineage``, by the capability's name."""
    found = {}
    for package in pkgutil.iter_modules(headwater.__path__):
        name = f"headwater.{package.name}.lineage"
        if package.ispkg and package.name != "lineage" and find_spec(name) is not None:
            found[package.name] = importlib.import_module(name).LINEAGE
    return found


@cache
def kinds() -> Mapping[str, NodeKind]:
    """Every kind of node by its name."""
    return {kind.name: kind for entry in contributions().values() for kind in entry.kinds}


def owner(node: Node) -> Contribution | None:
    """The contribution that a node's kind comes from; None of a kind that no capability has."""
    return next((entry for entry in contributions().values() if node.kind in {kind.name for kind in entry.kinds}), None)
