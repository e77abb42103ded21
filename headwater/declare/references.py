"""References to a product's own code, which is imported only where it runs."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Annotated, Any

from pydantic import StringConstraints

from headwater.declare.base import InvalidProduct
from headwater.declare.locations import location_in

Reference = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
"""``package.module:attribute``: imported only where it runs, so a declaration stays light."""


def resolve(reference: str) -> Any:
    """Import what a `Reference` names.

    Raises
    ------
    InvalidProduct
        The module or the attribute doesn't exist, or importing it fails.
    """
    module, _, attribute = reference.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:
        package = sys.modules.get(module.partition(".")[0])
        location = location_in([Path(folder) for folder in getattr(package, "__path__", ())], error)
        at = f" at {location}" if location else ""
        absent = isinstance(error, ModuleNotFoundError)
        remedy = ". Install it and name it in pyproject.toml, or correct the import" if absent else ""
        raise InvalidProduct(f"{reference!r} can't be imported{at}: {error}{remedy}") from error


def source_of(reference: str) -> bytes:
    """The text of a reference's module, which isn't run for that."""
    module = reference.partition(":")[0]
    try:
        spec = importlib.util.find_spec(module)
    except ImportError:
        spec = None
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        raise InvalidProduct(f"{reference!r}: there is no module {module} with a source file")
    return Path(spec.origin).read_bytes()
