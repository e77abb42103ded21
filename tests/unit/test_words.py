"""The words, names and lines of code and docs: the field's words, test names and lines that fit on a screen."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST_NAME, LONGEST_LINE = 80, 120

BANNED: Mapping[str, str] = {
    r"\b[Ff]urnish|\b[Cc]ourier\b|\bParcel\b|\bRoom\b": "the local cloud's: service emulator, delivery, target request",
    r"\bFoundation\b": "platform",
    r"\bmend(s|ed|ing)?\b": "fix, patch",
    r"\bunder_way\b": "in_progress",
    r"\bhanding_over\b": "handoff",
    r"\bDoing\b(?! [a-z])": "MaterialiseOptions",
    r"\bHappened\b": "UpdateRecord",
    r"\bExisted\b": "Checkpoint",
    r"\bCircumstances\b": "UpdateContext",
    r"\bfeatures[./]finding\b": "catalog",
    r"\bversions[./]collector\b": "gc_threshold",
    r"\bPLACES\b": "staging area",
    r"\bsays=": "description=",
    r"\bStreamCollector\b": "StreamCommitter",
    r"What (this|a|the) \w+ must be told": "environment of the function",
    r"decided for good that": "True once the outcome is final",
    r"[Dd]efinitions of before\b": "earlier definitions",
    r"[Tt]he last that was\b": "the newest completed",
    r"what was made of it\b": "name the thing that was made",
}
"""What isn't said, as a regular expression, and what is said instead (names.md, the house's own list)."""


def texts() -> Iterator[tuple[str, str]]:
    """Every module of the library and every page of the docs, by its path; what is generated follows its source."""
    for folder, kind in (("headwater", "*.py"), ("docs", "*.md")):
        for path in sorted((ROOT / folder).rglob(kind)):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


@pytest.mark.parametrize("word", BANNED)
def test_the_house_says_the_fields_words(word: str) -> None:
    assert [path for path, text in texts() if re.search(word, text)] == [], f"say {BANNED[word]}"


OPENINGS = re.compile(r"(What|That|Those|Of|It|Who)\b|Whether it\b")
"""A docstring names its subject instead."""


def docstrings(source: str) -> list[str]:
    """Docstrings of modules, classes and functions, and those below attributes."""
    return [
        statement.value.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        for statement in node.body
        if isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    ]


def test_a_docstring_begins_with_its_subject() -> None:
    assert [
        (path, text)
        for path, source in texts()
        if path.endswith(".py")
        for text in docstrings(source)
        if OPENINGS.match(text)
    ] == []


def test_a_docstring_without_a_subject_would_be_found() -> None:
    (found,) = (
        text for text in docstrings('class A:\n    """A value."""\n    b: int\n    """Of a."""') if OPENINGS.match(text)
    )
    assert found == "Of a."


def names_of_tests(source: str) -> list[str]:
    functions = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef))
    return [function.name for function in functions if function.name.startswith("test_")]


@pytest.mark.parametrize("folder", ["tests", "localcloud/tests"])
def test_a_tests_name_is_a_sentence_of_at_most_80_characters(folder: str) -> None:
    names = [
        name
        for path in sorted((ROOT / folder).rglob("test_*.py"))
        for name in names_of_tests(path.read_text(encoding="utf-8"))
    ]
    assert names
    assert [name for name in names if len(name) > LONGEST_NAME] == []


def long_lines(text: str) -> list[str]:
    """Lines of Markdown that could be wrapped: no table, no code, no list item that is one link, no single word."""
    found, in_code = [], False
    for line in text.splitlines():
        in_code ^= line.startswith("```")
        stays = line.startswith(("|", "    ", "#", "![", "<!--")) or _LINK.fullmatch(line) or len(line.split()) == 1
        if len(line) > LONGEST_LINE and not (in_code or stays):
            found.append(line)
    return found


_LINK = re.compile(r"\* (\d+\. )?\[[^\]]+\]\(\S+\)")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").rglob("*.md")])
# The peers of benchmarks bring pages of their own, which git ignores.
PAGES = [page for page in PAGES if ROOT / "benchmarks/.env" not in page.parents]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_of_markdown_have_at_most_120_characters(page: Path) -> None:
    assert long_lines(page.read_text(encoding="utf-8")) == []


def test_a_line_that_is_too_long_would_be_found() -> None:
    prose = "word " * 30
    assert long_lines(f"{prose}\n| {prose}|\n    {prose}\n```\n{prose}\n```\n{'x' * 130}\n") == [prose]


def test_no_module_of_the_library_loads_pickles() -> None:
    loading = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "headwater").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [*(alias.name for alias in node.names), getattr(node, "module", None) or ""]
        if name.partition(".")[0] in {"pickle", "joblib", "cloudpickle", "dill", "shelve"}
    ]
    assert loading == []
