"""Files as people's programs write them: what `headwater init --from` declares, and what it leaves alone and tells."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from headwater.checking import problems
from headwater.checking.sample import ingested_sample, sampled_training_set
from headwater.declare import catalog, product_of
from headwater.templates.guessing import Guess
from headwater.templates.inspecting import inspect

ROWS = 24


def table(header: Sequence[str], row: Callable[[int], Sequence[object]], delimiter: str = ",", end: str = "\n") -> str:
    written = io.StringIO()
    writer = csv.writer(written, delimiter=delimiter, lineterminator=end)
    writer.writerow(header)
    writer.writerows(row(number) for number in range(ROWS))
    return written.getvalue()


def euros(number: int) -> str:
    return f"{number}.{number:03},50" if number else "0,50"


EXCEL = table(
    ("Kunde", "Umsatz (€)", "bestellt", "Straße", "storniert"),
    lambda n: (f"K{n % 3}", euros(n), f"{n % 12 + 13}.02.2026 08:{n:02}", "größe" if n % 2 else "", "JN"[n % 2 == 0]),
    delimiter=";",
    end="\r\n",
)
LEGAL = {
    "Excel": b"\xef\xbb\xbf" + EXCEL.encode(),
    "Excel in Latin-1": EXCEL.encode("cp1252"),
    "Excel in UTF-16": EXCEL.encode("utf-16"),
    "gzip": gzip.compress(EXCEL.encode()),
    "SQL's own words": table(
        ("select", "from", "Order ID", "class", "x" * 120, "%", "order"),
        lambda n: (n % 5, "ab"[n % 2], f"o{n}", n % 3, n / 7, n / 9, n % 2),
    ).encode(),
    "signs": table(
        ('a"b', "it's", "back\\slash", "new\nline", "$x", "價格", 'say """'),
        lambda n: (n % 5, n % 3, ("\\b", "$x{y}")[n % 2], n / 7, n / 9, n / 3, ('"""', "\\b")[n % 3 == 0]),
    ).encode(),
    "pandas": table(("", "age", "fare", "survived", ""), lambda n: (n, n % 7 or "", n / 3, n % 2, "")).encode(),
    "R": table(("a", "b", "c", "y"), lambda n: (n % 5 or "NA", n / 7, "NULL" if n == 9 else n, n % 2)).encode(),
    "a day alone": table(("day", "n", "y"), lambda n: (f"{n % 12 + 1}/{n + 1}/2026", n % 4, n % 2)).encode(),
    "one value, and hardly any": table(
        ("a", "once", "never", "same", "y"), lambda n: (n / 3, 5 if n == 7 else "", "", 1, n % 2)
    ).encode(),
    "large numbers": table(
        ("id", "user", "far", "n", "y"), lambda n: (2**63 + n % 5, 2**53 + n % 5, 10.0 ** (30 * (n % 4)), n % 4, n % 2)
    ).encode(),
    "blanks": table((" a ", "b", "y"), lambda n: (f" {n / 3} ", "xy"[n % 2] + " ", f" {n % 2}")).encode(),
}


@pytest.mark.parametrize("content", LEGAL.values(), ids=list(LEGAL))
def test_a_product_of_a_legal_file_holds_together_and_takes_every_row(
    content: bytes, product: Callable[..., ModuleType], tmp_path: Path
) -> None:
    path = tmp_path / ('it\'s """ mine.csv.gz' if content.startswith(b"\x1f\x8b") else 'it\'s """\\N mine.csv')
    path.write_bytes(content)
    made = product(path)
    known = catalog([product_of(made)])
    assert problems(known) == []
    assert ingested_sample(made.SOURCE, tmp_path).reasons == ()
    columns, label = sampled_training_set(known, made.MODEL)
    assert (len(columns), set(label)) == (ROWS, {0, 1})
    assert set(Guess.of(inspect(path), None, path.name).request()) == {one.name for one in made.MODEL.inputs}


def test_what_excel_writes_is_declared_and_told(product: Callable[..., ModuleType], tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_bytes(EXCEL.encode("cp1252"))
    made = product(path)
    source = made.SOURCE
    assert (source.encoding, source.decimal, source.thousands) == ("cp1252", ",", ".")
    assert source.times == {"bestellt": ("%d.%m.%Y %H:%M",)}
    assert [(one.name, one.kind) for one in made.MODEL.inputs] == [
        ("kunde", "category"), ("umsatz", "number"), ("bestellt", "timestamp"), ("strasse", "category")
    ]  # fmt: skip
    guess = Guess.of(inspect(path), None, path.name)
    assert guess.request() == {
        "kunde": "K1", "umsatz": 1001.5, "bestellt": "2026-02-14T08:01:00", "strasse": "größe"
    }  # fmt: skip
    assert (
        'written with (guessed; product.py declares it): encoding "cp1252", decimal ",", thousands ".", '
        'times {"bestellt": ("%d.%m.%Y %H:%M",)}'
    ) in guess.told()


def written(tmp_path: Path, header: str, *rows: str) -> tuple[dict[str, object], tuple[str, ...]]:
    path = tmp_path / "rows.csv"
    path.write_text("\n".join([header, *rows * 12]) + "\n", encoding="utf-8")
    found = inspect(path).writing
    return found.declared(), found.doubts


def test_what_could_be_read_in_two_ways_stays_text_and_is_told(tmp_path: Path) -> None:
    declared, doubts = written(tmp_path, "a;n;day", "1,234;1;01.02.2026", "5,678;2;01/02/2026")
    assert (declared, doubts[0].partition(":")[0]) == (
        {}, "a may be numbers, with a comma as the decimal mark or between thousands"
    )  # fmt: skip
    assert written(tmp_path, "a;b", "1,234;1.5", "5,678;2.5")[0] == {"thousands": ","}
    assert written(tmp_path, "a;b", "1,234;1,5", "5,678;2,5")[0] == {"decimal": ","}
    declared, (doubt,) = written(tmp_path, "day,n", "01/02/2026,1", "03/04/2026,2")
    assert declared == {}
    assert doubt.startswith("day may be times written %d/%m/%Y or %m/%d/%Y")


def test_a_text_that_another_column_has_as_a_value_is_not_declared_missing(tmp_path: Path) -> None:
    assert written(tmp_path, "n,land", "1,DE", "NA,FR")[0] == {"missing": ("", "NA")}
    declared, (doubt,) = written(tmp_path, "n,land", "1,DE", "NA,NA")
    assert declared == {}
    assert doubt.startswith("n stays text for its 'NA', which another column has as a value")


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("$12.50", "x stays text for the sign of"),
        ("12 %", "x stays text for the sign of"),
        ("13.02.26", "x may be times whose years have two digits, 69 to 99 of the last century: declare %d.%m.%y as"),
        ("1-1-19", "x may be times whose years have two digits, 69 to 99 of the last century: declare %d-%m-%y or %m-"),
        ("1760000000123", "x may be times, in milliseconds since 1970"),
        ("2026-01-01 10:00:00.123456789", "x stays text, though it begins as a time does"),
    ],
)
def test_what_a_person_would_read_as_a_number_or_a_time_is_told(cell: str, words: str, tmp_path: Path) -> None:
    declared, (doubt,) = written(tmp_path, "x,y", f"{cell},1", f"{cell},2")
    assert (declared, doubt.startswith(words)) == ({}, True)


def test_the_label_in_other_words_is_no_input_and_three_classes_are_no_label(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(
        table(("n", "returned_text", "returned", "kind"), lambda n: (n % 5, "yn"[n % 2], n % 2, "abc"[n % 3])), "utf-8"
    )
    guess = Guess.of(inspect(path), None, path.name)
    assert list(guess.inputs) == ["n", "kind"]
    assert "no inputs, since they tell the label itself: returned_text" in guess.told()
    assert "no label, since models answer with a number or one of two values: kind (3 values)" in guess.told()


def test_a_file_without_a_header_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("0.5,x,1\n" + "".join(f"{n / 3},{'xyz'[n % 3]},{n % 2}\n" for n in range(ROWS)), "utf-8")
    told = Guess.of(inspect(path), None, path.name).told()
    assert "the first line was read as the header; if it is a row, add one: 0.5, 1" in told


@pytest.mark.parametrize(
    ("times", "declared"),
    [
        (("2026-02-13", "NA"), {"missing": ("", "NA")}),
        (("2026-02-13 10:00:00+02:00", ""), {}),
        (("13.02.2026", ""), {"times": {"x": ("%d.%m.%Y",)}}),
        (("02/13/2026 1:05 PM", "NULL"), {"missing": ("", "NULL"), "times": {"x": ("%m/%d/%Y %I:%M %p",)}}),
    ],
)
def test_times_some_of_which_are_missing_are_times(
    times: tuple[str, str], declared: dict[str, object], tmp_path: Path
) -> None:
    assert written(tmp_path, "x,y", *(f"{one},{number}" for number, one in enumerate(times))) == (declared, ())
    assert [column.kind for column in inspect(tmp_path / "rows.csv").columns] == ["time", "int"]


def test_a_column_of_nothing_but_marks_stays_as_it_is(tmp_path: Path) -> None:
    assert written(tmp_path, "x,y", "-,1", "-,2") == ({}, ())


def test_digits_in_groups_have_no_exponent_as_in_ingestion(tmp_path: Path) -> None:
    row = "7.305e-01;1.234,50;0,5"
    assert written(tmp_path, "x;y;z", row, row)[0] == {"decimal": ",", "thousands": "."}
    assert [column.kind for column in inspect(tmp_path / "rows.csv").columns] == ["text", "float", "float"]
