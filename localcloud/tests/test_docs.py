"""What the pages of this distribution say is so."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections import defaultdict
from pathlib import Path

import typer
from localcloud.cli.app import app
from localcloud.provider.data import SOURCES
from localcloud.provider.resource import REGISTRY

from localcloud import provider

ROOT = Path(__file__).resolve().parents[1]


def test_the_coverage_page_lists_each_resource_type_and_function() -> None:
    for module in pkgutil.iter_modules(provider.__path__):
        importlib.import_module(f"{provider.__name__}.{module.name}")
    known: dict[str, list[str]] = defaultdict(list)
    for token in REGISTRY:
        _, module_and_file, name = token.split(":")
        known[module_and_file.partition("/")[0]].append(name)
    page = (ROOT / "docs/coverage.md").read_text()
    table = re.findall(r"^\| `(\w+)` \| ([\w, ]+) \|$", page.partition("## Pulumi")[2], re.MULTILINE)
    assert {module: names.split(", ") for module, names in table} == {
        module: sorted(names) for module, names in known.items()
    }
    assert [token for token in SOURCES if f"`{token.rpartition(':')[2]}`" not in page] == []
    assert f"[{len(REGISTRY)} resource types]" in (ROOT / "README.md").read_text()


def test_each_command_of_the_pages_exists_with_its_options() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    told = [
        line
        for page in (ROOT / "README.md", ROOT / "docs/coverage.md")
        for line in re.findall(r"(?:^|[`(])localcloud ([a-z][^`#;)\n]*)", page.read_text(), re.MULTILINE)
    ]
    assert len(told) > 10
    for line in told:
        word, *rest = line.split()
        command = commands[word]
        for name in re.split(r"\\?\|", rest[0]) if hasattr(command, "commands") else ():
            assert name in command.commands, line
        options = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"--[a-z]+", line)) <= options, line
