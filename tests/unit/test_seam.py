"""The seam to the local cloud: what is imported of it stands in its README, and what stands there exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCALCLOUD = ROOT / "localcloud"
LIBRARY = ("headwater", "infra", "functions", "pipelines", "benchmarks", "tools")


def seam(title: str) -> dict[str, set[str]]:
    """The names by module, as a table of the README lists them."""
    section = (LOCALCLOUD / "README.md").read_text().partition(f"\n{title}\n")[2].partition("\n\n\n")[0]
    section = re.split(r"\n#|\n\*\*", section)[0]
    rows = re.findall(r"^\| `(localcloud[\w.]*)` \| (.+?) \|", section, re.MULTILINE)
    return {module: set(re.findall(r"`(\w+)`", names)) for module, names in rows}


def imported(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Where which name of which module of the local cloud is used."""
    for file in folder.rglob("*.py"):
        # What a benchmark installs beside itself isn't ours.
        if any(part.startswith(".") for part in file.relative_to(folder).parts):
            continue
        text = file.read_text()
        if "localcloud" not in text:
            continue
        tree, where, modules = ast.parse(text), str(file.relative_to(ROOT)), dict[str, str]()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from ((where, name.name, "") for name in node.names if name.name.startswith("localcloud"))
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "localcloud":
                for name in node.names:
                    if is_module(f"{node.module}.{name.name}"):
                        modules[name.asname or name.name] = f"{node.module}.{name.name}"
                    else:
                        yield where, str(node.module), name.name
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
                yield where, modules[node.value.id], node.attr


def is_module(name: str) -> bool:
    path = LOCALCLOUD / "src" / name.replace(".", "/")
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def defined(module: str) -> set[str]:
    """The names that a module has, without importing it."""
    path = LOCALCLOUD / "src" / module.replace(".", "/")
    file = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
    found: set[str] = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            found |= {name.asname or name.name for name in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    return found


PUBLIC = seam("## As a library: the seam")
FOR_TESTS = seam("**For tests of a distribution that is built on it:**")


def outside(used: Iterator[tuple[str, str, str]], *listed: dict[str, set[str]]) -> list[str]:
    return [
        f"{where}: {module}.{name}"
        for where, module, name in used
        if not any(name in names.get(module, ()) for names in listed)
    ]


@pytest.mark.parametrize("folder", LIBRARY)
def test_the_library_uses_only_the_public_names_of_the_local_cloud(folder: str) -> None:
    assert outside(imported(ROOT / folder), PUBLIC) == []


def test_tests_use_only_what_the_local_cloud_offers_to_tests() -> None:
    assert outside(imported(ROOT / "tests"), PUBLIC, FOR_TESTS) == []


def test_what_the_seam_lists_exists() -> None:
    assert len(PUBLIC) >= 5
    assert len(FOR_TESTS) >= 3
    listed = [*PUBLIC.items(), *FOR_TESTS.items()]
    assert [f"{module}.{name}" for module, names in listed for name in names - defined(module)] == []
