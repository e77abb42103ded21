"""Instances come as JSON, JSON lines or CSV; what is a number in a file is a number in the request."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from headwater.cli.predict_instances import read_instances
from headwater.errors import InvalidRequest


def kinds() -> dict[str, str]:
    return {"rooms": "number", "zip": "category", "at": "timestamp"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.json", '[{"rooms": 4}, {"rooms": 5}]'),
        ("rows.json", '{"instances": [{"rooms": 4}, {"rooms": 5}]}'),
        ("rows.jsonl", '{"rooms": 4}\n\n{"rooms": 5}\n'),
        ("rows.csv", "rooms\n4\n5\n"),
    ],
)
def test_a_file_holds_one_instance_a_row(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_instances([], tmp_path / name, kinds) == [{"rooms": 4}, {"rooms": 5}]


def test_a_csv_cell_has_the_kind_of_its_input(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("\ufeffrooms,zip,at\n4.5,07102,2026-01-01T00:00:00Z\nNA,,\n")
    assert read_instances([], file, kinds) == [
        {"rooms": 4.5, "zip": "07102", "at": "2026-01-01T00:00:00Z"},
        {"rooms": None, "zip": None, "at": None},
    ]


def test_a_cell_that_is_no_number_is_left_for_the_api_to_refuse(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("rooms,more\nmany,7\n")
    assert read_instances([], file, kinds) == [{"rooms": "many", "more": "7"}]


def test_stdin_is_a_file_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"rooms": 4}\n'))
    assert read_instances(['{"rooms": 3}'], Path("-"), kinds) == [{"rooms": 3}, {"rooms": 4}]


@pytest.mark.parametrize("text", ["[1, 2]", '"rows"', "{broken"])
def test_a_file_that_holds_no_instances_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "rows.json").write_text(text)
    with pytest.raises(InvalidRequest, match=r"rows\.json"):
        read_instances([], tmp_path / "rows.json", kinds)
