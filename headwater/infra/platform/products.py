"""Checks the model products before anything is deployed for them."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import pulumi

from headwater.declare import Catalog, load_catalog
from headwater.errors import InvalidRequest
from headwater.project import LIBRARY, make_importable, project

PASSED = Path(".headwater/checked")
"""The file, from the project's root, that holds the digest of the products which passed last."""


def check_products(package: str = "pipelines", *, root: Path | None = None) -> Catalog:
    """Every product's declarations, checked as `headwater check` does.

    What passed is not checked again until a product, the library, an installed package or a lock changes: checking
    takes seconds, and all of them would be spent by each deployment that changes nothing.

    Raises
    ------
    pulumi.RunError
        Something is wrong; nothing is deployed. Pulumi shows its words without a traceback: what is wrong is in the
        products, not in this program.
    """
    root = root or project()
    make_importable(root)
    digest, passed = digest_of(package, root), root / PASSED
    try:
        if passed.exists() and passed.read_text() == digest:
            return load_catalog(package)
        from headwater.checking import checked_catalog  # which imports what checks need: DuckDB, pandera, scikit-learn

        catalog = checked_catalog(package)
    except InvalidRequest as error:
        raise pulumi.RunError(f"the products have problems; nothing was deployed:\n{error.message}") from None
    passed.parent.mkdir(parents=True, exist_ok=True)
    passed.write_text(digest)
    return catalog


def digest_of(package: str, root: Path) -> str:
    """The SHA-256 of all that the outcome of checking the products of ``package`` depends on."""
    digest = hashlib.sha256(sys.version.encode())
    for name in sorted(f"{one.name}=={one.version}" for one in distributions()):
        digest.update(name.encode())
    for name, path in _files(package, root):
        content = path.read_bytes()
        digest.update(f"\n{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _files(package: str, root: Path) -> Iterator[tuple[str, Path]]:
    ours = ((root / name, root) for name in (package, "functions", "requirements"))
    for folder, beside in (*ours, (LIBRARY, LIBRARY.parent)):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(beside).as_posix(), path
    if (manifest := root / "pyproject.toml").is_file():
        yield manifest.name, manifest
