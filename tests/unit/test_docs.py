"""What the docs say can be typed, followed and found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from headwater.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        page
        for folder in ("", "docs", "benchmarks", "localcloud", "localcloud/docs")
        for page in ((ROOT / folder).glob("*.md") if folder in ("", "localcloud") else (ROOT / folder).rglob("*.md"))
    ],
    key=lambda page: page.relative_to(ROOT),
)
DECISIONS = ROOT / "docs" / "decisions"


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*path, name))


COMMANDS = dict(commands(typer.main.get_command(app)))


def mistakes(line: str) -> Iterator[str]:
    """What ``headwater …`` can't be understood of, where it is code: in an indented block or between backticks."""
    code = [line] if line.startswith("    ") else re.findall(r"`([^`]+)`", line)
    for text in code:
        for told in re.findall(r"(?:^|[\s/(])headwater ([a-z][^#|;)]*)", text):
            words, path = told.split(), ()
            while words and (*path, words[0]) in COMMANDS:
                path = (*path, words.pop(0))
            command = COMMANDS[path]
            if not path or (words and hasattr(command, "commands")):
                yield f"no such command: headwater {told}"
            known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
            yield from (
                f"no option {word}: headwater {told}"
                for word in words
                if re.fullmatch(r"--?[a-z][a-z-]*", word) and word not in known
            )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    text = page.read_text()
    assert [mistake for line in text.splitlines() for mistake in mistakes(line)] == []
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize(
    "line",
    ["    headwater infra histroy", "say `headwater local up --engin pulumi`", "    .venv/bin/headwater modles list"],
)
def test_a_command_that_is_misspelt_would_be_found(line: str) -> None:
    assert len(list(mistakes(line))) == 1


def test_the_index_lists_every_decision_by_its_title() -> None:
    titles = {page.name: page.read_text().splitlines()[0] for page in DECISIONS.glob("[0-9]*.md")}
    listed = re.findall(r"^\* (.+?)\. \[(.+)\]\((.+)\)$", (DECISIONS / "README.md").read_text(), re.MULTILINE)
    assert {name: f"# {number}. {title}" for number, title, name in listed} == titles
