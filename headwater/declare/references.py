"""References to a product's own code, which is imported only where it runs."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from headwater.declare.base import InvalidProduct
from headwater.declare.locations import declared_in, location_in

_WHOLE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def _whole(given: Any) -> Any:
    """A reference as it is kept, ``package.module:name``, of one that may be relative."""
    if not isinstance(given, str):
        return given
    module, _, attribute = given.partition(":")
    if module.startswith("."):
        module = _from_here(given, module)
    if not _WHOLE.fullmatch(whole := f"{module}:{attribute}"):
        raise ValueError(
            f"{given!r} is no reference: write '.module:name', or 'package.module:name' of another package"
        )
    return whole


def _from_here(given: str, module: str) -> str:
    """The module that is named relative to the package of the module that declares it."""
    package = declared_in()
    if not package:
        raise ValueError(f"{given!r} is relative, but it is declared in no package: write 'package.module:name'")
    try:
        found = importlib.util.resolve_name(module, package)
    except ImportError:
        raise ValueError(
            f"{given!r} leads out of {package.partition('.')[0]}: one dot is {package}, each further one its parent"
        ) from None
    if _spec_of(found) is None:
        raise ValueError(
            f"{given!r} leads to {found}, and there is no such module: correct the name, or write the module "
            f"(one dot is {package}, where this is declared)"
        )
    return found


Reference = Annotated[str, BeforeValidator(_whole)]
"""``.module:name``, relative to the package of the module that declares it, or ``package.module:name``: imported only
where it runs, so a declaration stays light. What is kept is the whole name."""


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
    spec = _spec_of(module)
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        raise InvalidProduct(f"{reference!r}: there is no module {module} with a source file")
    return Path(spec.origin).read_bytes()


def _spec_of(module: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(module)
    except ImportError:
        return None
