"""No table breaks a word or an id in a terminal of 80 columns."""

from __future__ import annotations

import ast
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

import headwater.cli
from headwater.cli.output import data_console, note, table

WORDS = st.lists(st.text("abcdefghij-_.0123456789", min_size=1, max_size=30), max_size=6).map(" ".join)


def shown(columns: list[str], rows: list[list[object]], width: int = 80, **more: object) -> str:
    text = StringIO()
    Console(file=text, width=width, force_terminal=True, color_system=None).print(table(columns, rows, **more))  # type: ignore[arg-type]
    return text.getvalue()


@settings(max_examples=40)
@given(st.integers(1, 9).flatmap(lambda n: st.lists(st.lists(WORDS, min_size=n, max_size=n), min_size=1, max_size=4)))
def test_no_word_is_broken_and_no_line_is_too_long(rows: list[list[str]]) -> None:
    columns = [f"column {number}" for number in range(len(rows[0]))]
    said = shown(columns, [list(row) for row in rows])
    assert all(len(line.rstrip()) <= 80 for line in said.splitlines())
    words = said.split()
    for row in rows:
        for cell in row:
            assert set(cell.split()) <= set(words)


def test_each_table_of_the_command_line_keeps_its_ids_whole() -> None:
    """Every table that a command declares, with cells as long as those that stacks have."""
    found = 0
    for path in sorted(Path(headwater.cli.__path__[0]).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"table", "listed"} and node.args):
                continue
            if not isinstance(node.args[0], ast.Tuple):
                continue
            columns = [entry.value for entry in node.args[0].elts if isinstance(entry, ast.Constant)]
            if len(columns) != len(node.args[0].elts):
                continue
            found += 1
            row: list[object] = [
                f"headwater-dev-{number}-of-a-long-name-0123456789abcdef" for number, _ in enumerate(columns)
            ]
            said = shown(columns, [row])
            assert set(map(str, row)) <= set(said.split()), (path.name, columns)
            assert max(len(line.rstrip()) for line in said.splitlines()) <= 80
    assert found >= 10


def test_a_table_that_fits_has_one_line_a_row() -> None:
    lines = [line.split() for line in shown(["name", "rows"], [["a", 1], ["b", 22]]).splitlines()]
    assert [line for line in lines if line and "─" not in line[0]] == [["name", "rows"], ["a", "1"], ["b", "22"]]


def test_a_word_longer_than_the_terminal_is_folded_and_nothing_is_lost() -> None:
    arn = "arn:aws:states:eu-central-1:123456789012:stateMachine:" + "x" * 60
    said = shown(["output", "value"], [["ingestion_arn", arn]])
    assert arn in said.replace("\n", "")


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_cells_in_whole_columns_stay_on_one_line(width: int) -> None:
    said = shown(["a", "b", "c"], [["x", "two words", "many words that may be broken " * 3]], width, whole=("b",))
    assert "two words" in said


def test_what_looks_like_markup_or_a_smiley_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    name = "s3://lake/a:x:b/[bold]c[/bold] 'd' 12"
    data_console().print(name)
    note(name)
    assert capsys.readouterr() == (f"{name}\n", f"{name}\n")
