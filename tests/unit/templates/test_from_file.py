"""`headwater init --from`: what is declared for a file of a user's own, by all of its rows."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.checking.sample import ingested_sample, sampled_training_set
from headwater.declare import Catalog, Model, catalog, product_of
from headwater.lake.errors import FileRefused
from headwater.templates import write_from
from headwater.templates.guessing import Guess
from headwater.templates.inspecting import NotATable, inspect
from headwater.templates.naming import standard_name

ORDERS = "\n".join(
    [
        "Order ID,placed At,country,items,Total Amount,gift,zip,note,paid",
        *(
            f"o{row},2026-01-{row % 28 + 1:02}T0{row % 10}:00:00Z,{'DE' if row % 3 else ''},{row % 7 or ''},"
            f"{row / 4},{'true' if row % 2 else 'false'},0{row:04},,{'no' if row % 5 == 0 else 'yes'}"
            for row in range(60)
        ),
    ]
)


def kinds(text: str, tmp_path: Path) -> dict[str, tuple[str, int]]:
    path = tmp_path / "kinds.csv"
    path.write_text(text, encoding="utf-8")
    return {column.name: (column.kind, column.missing) for column in inspect(path).columns}


def test_a_products_columns_inputs_and_label_are_those_of_the_file(
    file: Callable[..., Path], product: Callable[..., ModuleType], tmp_path: Path
) -> None:
    made = product(file(ORDERS))
    model: Model = made.MODEL
    assert [(one.name, one.kind, one.required) for one in model.inputs] == [
        ("placed_at", "timestamp", True),
        ("country", "category", False),
        ("items", "number", False),
        ("total_amount", "number", True),
        ("gift", "number", True),
    ]
    assert (model.task, model.examples.label, model.examples.positive) == ("classification", "paid", "paid is no")
    known: Catalog = catalog([product_of(made)])
    assert ingested_sample(made.SOURCE, tmp_path).reasons == ()
    columns, label = sampled_training_set(known, model)
    assert (len(columns), label.sum()) == (60, 12)


def test_one_late_row_decides_the_type_of_its_column(tmp_path: Path) -> None:
    rows = "".join(f"{row},{row}.5,true,2026-01-01,1\n" for row in range(5000))
    assert kinds("a,b,c,d,e\n" + rows, tmp_path) == {
        "a": ("int", 0), "b": ("float", 0), "c": ("bool", 0), "d": ("time", 0), "e": ("int", 0)
    }  # fmt: skip
    last = "1.5,x,maybe,2026-02-31,\n"
    assert kinds("a,b,c,d,e\n" + rows + last, tmp_path) == {
        "a": ("float", 0), "b": ("text", 0), "c": ("text", 0), "d": ("text", 0), "e": ("int", 1)
    }  # fmt: skip


@pytest.mark.parametrize("cell", ["007", "1_000", "0x10", "inf", "1e", "+", "12345678901234567890"])
def test_what_only_looks_like_a_number_stays_as_it_is_written(cell: str, tmp_path: Path) -> None:
    assert kinds(f"a,b\n1,2\n{cell},3\n", tmp_path)["a"] == ("text", 0)


def test_a_numeric_label_makes_a_regression_and_another_column_can_be_named(
    file: Callable[..., Path], product: Callable[..., ModuleType]
) -> None:
    model: Model = product(file(ORDERS), "Total Amount").MODEL
    assert (model.task, model.examples.label) == ("regression", "total_amount")
    assert "paid" in [one.name for one in model.inputs]


@pytest.mark.parametrize(
    ("text", "label", "words"),
    [
        ("a,b\n", None, "has a header and no rows"),
        ("a,b\n1,2\n", "c", "has no column 'c': it has a, b"),
        ("a,b\nx,y\nz,w\nv,u\n", None, "none of its columns can be a label: expected numbers, or two"),
        ("a,b\nx,1\ny,2\nz,3\nz,3\n", "a", "column 'a' can't be a label.*found 3 values of kind text"),
        ("a\n" + "1\n2\n2\n" * 4, None, "beside the label 'a' no column can be an input"),
        ("a,b\n1,2\n3,4,5\n", None, r"row 2: "),
        ("a,b\n1,2\n2,4\n", None, "orders.csv: expected at least 10 rows to learn from, found 2"),
        ("a,a\n1,2\n", None, "orders.csv: columns named more than once: a"),
    ],
)
def test_a_file_that_no_product_can_be_made_from_is_refused(
    text: str, label: str | None, words: str, file: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises((NotATable, FileRefused), match=words):
        write_from(tmp_path, "basket", file(text.rstrip("\n")), label)
    assert not (tmp_path / "pipelines").exists()


def test_a_workbook_and_a_missing_file_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NotATable, match=r"rows.xlsx: expected a file that ends in .csv, .tsv"):
        inspect(tmp_path / "rows.xlsx")
    with pytest.raises(NotATable, match="there is no file"):
        inspect(tmp_path / "rows.csv")


@given(st.lists(st.text(max_size=60), unique=True, max_size=8))
def test_every_column_gets_a_name_of_its_own_that_a_model_may_have(columns: list[str]) -> None:
    names: list[str] = []
    for column in columns:
        names.append(standard_name(column, names))
    assert len(set(names)) == len(columns)
    assert all(name.isidentifier() and name.isascii() and name == name.lower() and len(name) <= 48 for name in names)


def test_the_request_that_is_shown_is_a_row_of_the_file(file: Callable[..., Path]) -> None:
    guess = Guess.of(inspect(file(ORDERS)), None, "orders.csv")
    assert guess.request() == {
        "placed_at": "2026-01-02T01:00:00Z", "country": "DE", "items": 1, "total_amount": 0.25, "gift": True
    }  # fmt: skip
    told = "label: paid (guessed; --label names another): a classifier of paid = no, 12 of 60 rows"
    assert told in guess.told()


def test_a_product_of_a_file_with_long_and_many_values_passes_the_linter(
    file: Callable[..., Path], tmp_path: Path
) -> None:
    names = [f"a column with some words {number}" for number in range(9)]
    rows = [
        ",".join("abc"[row * column % 3] for column in range(9)) + f",{'many words ' * 2}{row % 2}" for row in range(20)
    ]
    path = file("\n".join([",".join([*names, "how it ended"]), *rows]), "a very long name of a file " * 5 + ".csv")
    project = tmp_path / "project"
    (project / "pipelines").mkdir(parents=True)
    made, _ = write_from(project, "a" * 43, path)
    ruff = [sys.executable, "-m", "ruff"]
    settings = ["--no-cache", "--config", str(Path(__file__).parents[3] / "pyproject.toml")]
    linted = subprocess.run(
        [*ruff, "check", *settings, "--ignore", "I001", *made.files[:-2]], capture_output=True, text=True, check=False
    )
    assert linted.returncode == 0, linted.stdout
