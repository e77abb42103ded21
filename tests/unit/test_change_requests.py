"""The page that says where a change goes names files and functions that exist, and no more of them than promised."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "change-the-library.md"


def rows() -> list[list[str]]:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def test_each_change_names_one_place_to_read_and_at_most_three_to_touch() -> None:
    assert len(rows()) == 12
    for change, read, touch, numbers in rows():
        said = re.match(r"(\d) / (?:\d-)?(\d) \(", numbers)
        assert said, change
        assert (len(re.findall(r"\.py`", read)), said[1]) == (1, "1"), change
        assert int(said[2]) <= 3, change
        named = len(re.findall(r"\.(?:py|json)`|handlers/\w+/`|component|beside it|the same|key is made", touch))
        assert named == int(said[2]), change


def test_every_file_and_function_that_the_page_names_exists() -> None:
    for path, name in re.findall(r"`((?:headwater|localcloud)/[\w/.]+)`(?: \(`([\w.]+)`\))?", PAGE.read_text()):
        assert (ROOT / path).exists(), path
        if name:
            assert re.search(
                rf"\b(def|class) {name.rpartition('.')[2]}\b|^{name} =", (ROOT / path).read_text(), re.M
            ), name
