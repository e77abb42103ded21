"""The contributions of all capabilities: each package's ``facts.py``, found by itself."""

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
    """The value ``FACTS`` of every module ``headwater.<capability>.facts``, by the capability's name."""
    found, library = {}, Path(__file__).parents[1]
    for package in pkgutil.iter_modules([str(library)]):
        # Looked for in its folder: find_spec("headwater.demo.facts") would import headwater.demo.
        spec = PathFinder.find_spec("facts", [str(library / package.name)])
        if package.ispkg and spec is not None:
            found[package.name] = importlib.import_module(f"headwater.{package.name}.facts").FACTS
    return found


@cache
def kinds() -> Mapping[str, NodeKind]:
    """Every kind of node by its name."""
    return {kind.name: kind for entry in contributions().values() for kind in entry.kinds}


def owner(node: Node) -> Contribution | None:
    """The contribution that a node's kind comes from; None of a kind that no capability has."""
    return next((entry for entry in contributions().values() if node.kind in {kind.name for kind in entry.kinds}), None)
