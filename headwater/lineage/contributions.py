"""The contributions of all capabilities: each package's ``lineage.py``, found by itself."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path

from headwater.graph import Contribution, Node, NodeKind


@cache
def contributions() -> Mapping[str, Contribution]:
    """The value ``LINEAGE`` of every module ``headwater.<capability>.lineage``, by the capability's name."""
    found, library = {}, Path(__file__).parents[1]
    for package in pkgutil.iter_modules([str(library)]):
        # Looked for in its folder: find_spec("headwater.demo.lineage") would import headwater.demo.
        spec = PathFinder.find_spec("lineage", [str(library / package.name)])
        if package.ispkg and package.name != "lineage" and spec is not None:
            found[package.name] = importlib.import_module(f"headwater.{package.name}.lineage").LINEAGE
    return found


@cache
def kinds() -> Mapping[str, NodeKind]:
    """Every kind of node by its name."""
    return {kind.name: kind for entry in contributions().values() for kind in entry.kinds}


def owner(node: Node) -> Contribution | None:
    """The contribution that a node's kind comes from; None of a kind that no capability has."""
    return next((entry for entry in contributions().values() if node.kind in {kind.name for kind in entry.kinds}), None)
