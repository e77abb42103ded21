"""Which libraries a product's modules import, and whether they are where these modules will run."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from headwater.locks import entries, lock, normal


@dataclass(frozen=True, slots=True)
class Where:
    """A place where modules run."""

    name: str
    lock: str
    """Name of the lock of what is installed there (`headwater.locks`)."""
    ours: frozenset[str]
    """The project's packages that are there."""


TRAINING = Where("the training container", "training", frozenset({"headwater", "pipelines"}))
LAMBDA = Where("the functions that read products", "data", frozenset({"headwater", "pipelines", "functions"}))


def library_problems(module: str, where: Where, *, called: str | None) -> Iterator[str]:
    """The libraries that a module and what it imports of its own package need, and that aren't in a lock.

    What is imported only for type checkers, or whose absence is caught, isn't needed.

    Parameters
    ----------
    module : str
    where : Where
    called : str or None
        The function that is called there: what is imported within others isn't needed. None if any may be.
    """
    file = _file_of(module)
    if file is None:
        return
    project = file.parents[module.count(".") + (file.name == "__init__.py")]
    locked = _locked(where.lock, project)
    told: set[str] = set()
    for path, line, name in _needed(module, file, set(), called=called):
        top = name.partition(".")[0]
        if top in told or top in sys.stdlib_module_names or top in where.ours or normal(top) in locked:
            continue
        homes = _homes(top)
        if any(normal(home) in locked for home in homes):
            continue
        told.add(top)
        shown = f"{path.relative_to(project)}:{line}"
        if homes:
            lacks = f"which is installed here and not in {where.name}"
        elif importlib.util.find_spec(top) is not None:
            lacks = (
                f"but {where.name} has only {', '.join(sorted(where.ours))} of this project: move it below pipelines"
            )
        else:
            lacks = f"which is installed neither here nor in {where.name}"
        remedy = f". Add {homes[0]} to the group {where.lock!r} in pyproject.toml, run headwater lock" if homes else ""
        yield f"{shown} imports {top}, {lacks}{remedy}"


def _needed(module: str, file: Path, seen: set[str], *, called: str | None) -> Iterator[tuple[Path, int, str]]:
    """The modules outside of its own package that a module imports, and where."""
    seen.add(module)
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return  # Importing it says so.
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    root = module.partition(".")[0]
    for line, name in _imports(tree, package, called=called):
        if name.partition(".")[0] != root:
            yield file, line, name
            continue
        # "from pipelines.x import y" names a module or what is in one.
        for inside in (name, name.rpartition(".")[0]):
            found = _file_of(inside) if inside and inside not in seen else None
            if found is not None:
                yield from _needed(inside, found, seen, called=called)
                break


def _imports(tree: ast.AST, package: str, *, called: str | None) -> Iterator[tuple[int, str]]:
    if isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef) and called not in (None, tree.name):
        return
    if isinstance(tree, ast.If) and "TYPE_CHECKING" in ast.unparse(tree.test):
        branches: list[ast.AST] = list(tree.orelse)
    elif isinstance(tree, ast.Try) and any(_catches_imports(handler) for handler in tree.handlers):
        branches = [*tree.orelse, *tree.finalbody]
    else:
        branches = list(ast.iter_child_nodes(tree))
    if isinstance(tree, ast.Import):
        yield from ((tree.lineno, entry.name) for entry in tree.names)
    elif isinstance(tree, ast.ImportFrom):
        base = _absolute(tree, package)
        yield from ((tree.lineno, f"{base}.{entry.name}") for entry in tree.names)
    elif isinstance(tree, ast.Call) and (name := _called(tree)):
        yield tree.lineno, name
    for branch in branches:
        yield from _imports(branch, package, called=called)


def _called(call: ast.Call) -> str:
    """The module that a call imports by its name; empty if it is another call."""
    if not call.args or ast.unparse(call.func) not in {"importlib.import_module", "import_module", "__import__"}:
        return ""
    name = getattr(call.args[0], "value", None)
    return name if isinstance(name, str) and not name.startswith(".") else ""


def _absolute(tree: ast.ImportFrom, package: str) -> str:
    if not tree.level:
        return tree.module or ""
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - tree.level + 1], *([tree.module] if tree.module else [])])


def _catches_imports(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or any(
        name in ast.unparse(handler.type) for name in ("ImportError", "ModuleNotFoundError", "Exception")
    )


def _file_of(module: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError, AttributeError):
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


@lru_cache(maxsize=8)
def _locked(name: str, project: Path) -> frozenset[str]:
    return frozenset(entries(lock(name, project)))


@lru_cache(maxsize=64)
def _homes(top: str) -> list[str]:
    """The installed distributions that a top module comes with, by the lists of their files."""
    spec = importlib.util.find_spec(top)
    places = [spec.origin, *(spec.submodule_search_locations or ())] if spec else []
    folders = {
        parent for place in places if place for parent in Path(place).parents if parent.name.endswith("-packages")
    }
    begins = re.compile(rf"^{re.escape(top)}[/.]", re.MULTILINE)
    return sorted(
        record.parent.name.rpartition("-")[0].partition("-")[0]
        for folder in folders
        for record in folder.glob("*.dist-info/RECORD")
        if begins.search(record.read_text(encoding="utf-8", errors="replace"))
    )
