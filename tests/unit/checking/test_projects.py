"""Products as a user writes them, in a folder of their own: every mistake is told with file and line, all at once."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from headwater.checking import checked_catalog
from headwater.errors import HeadwaterError

CONTRACTS = """
import pandas
import pandera.pandas as pa
TIME = pandas.DatetimeTZDtype(unit="us", tz="UTC")
ROWS = pa.DataFrameSchema({
    "date_time": pa.Column(TIME),
    "user_id": pa.Column(int),
    "site": pa.Column(str),
    "is_booking": pa.Column(int, pa.Check.isin([0, 1])),
    "settled": pa.Column(TIME, nullable=True),
}, coerce=True, strict="filter")
"""
TRAIN = """
from sklearn.linear_model import LogisticRegression
def fit(params, inputs, label):
    return LogisticRegression(**params).fit(inputs[["site_rank"]].fillna(0), label)
"""
PRODUCT = """
from headwater.declare import *
SOURCE = Source(name="clicks", contract=".contracts:ROWS", event_time="date_time"{source})
VIEW = FeatureView(
    name="users", entity=("user_id",), sources=("clicks",), ttl="90d",
    {view}
)
MODEL = Model(
    name="booking",
    task="classification",
    inputs=(category("user_id"), number("site_rank")),
    features=("users.{feature}",),
    examples=Examples(sources=("clicks",), label="is_booking", sql="{examples}"),
    train=".train:fit",
    holdout=Holdout(share=0.2),
    gates=(Gate(metric="roc_auc", at_least=0.6),),
)
"""
RATE = """aggregate=Aggregations(),
    features=(Feature(name="rate", aggregate=mean("is_booking", over="90d")),),"""
RANK = "CAST(user_id AS VARCHAR) AS user_id, length(site) AS site_rank"
HOUR_LATER = f"SELECT {RANK}, is_booking, date_time + INTERVAL 1 HOUR AS asked_at FROM clicks"  # noqa: S608
AT_ONCE = f"SELECT {RANK}, is_booking, date_time AS asked_at FROM clicks"  # noqa: S608
BEFORE = f"SELECT {RANK}, is_booking, date_time - INTERVAL 1 HOUR AS asked_at FROM clicks"  # noqa: S608
NUMBERS = itertools.count()

Check = Callable[..., list[str]]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Check]:
    """Writes ``booking`` with some files changed and says what is wrong with it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def run(files: Mapping[str, str] | None = None, **words: str) -> list[str]:
        package = f"products{next(NUMBERS)}"
        given = {"source": "", "view": RATE, "feature": "rate", "examples": BEFORE, "package": package, **words}
        product = PRODUCT
        for word, text in given.items():
            product = product.replace("{" + word + "}", text)
        written = {"__init__.py": "", "booking/__init__.py": "", "booking/contracts.py": CONTRACTS}
        written |= {"booking/train.py": TRAIN, "booking/product.py": product, **(files or {})}
        for name, text in written.items():
            path = tmp_path / package / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        try:
            checked_catalog(package)
        except HeadwaterError as error:
            return error.message.replace(package, "pipelines").splitlines()
        return []

    yield run
    for name in [name for name in sys.modules if name.startswith("products")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ({"booking/product.py": "x = (\n"}, "pipelines/booking/product.py:1: SyntaxError: '(' was never closed"),
        ({"booking/product.py": "import no_such"}, "product.py:1: ModuleNotFoundError: No module named 'no_such'"),
        ({"booking/product.py": "\n1 / 0"}, "pipelines/booking/product.py:2: ZeroDivisionError: division by zero"),
        ({"booking/product.py": "raise SystemExit(3)"}, "pipelines/booking/product.py:1: SystemExit: 3"),
        (
            {"booking/product.py": "_A = 1"},
            "pipelines.booking.product: declares nothing: give a Source, FeatureView, Model or Collector",
        ),
        (
            {"booking/product.py": "from headwater.declare import Source\n\nSource(\n    name='Clicks')"},
            "pipelines/booking/product.py:3: Source.name: expected lower-case letters, digits and underscores",
        ),
        (
            {"booking/product.py": "from headwater.declare import Schedule\nSchedule(expression='cron(1)')"},
            "pipelines/booking/product.py:2: Schedule: schedule 'cron(1)': cron takes six fields",
        ),
        ({"other/__init__.py": ""}, "pipelines.other.product: is missing"),
        (
            {"my-shop/__init__.py": "", "my-shop/product.py": ""},
            "pipelines/my-shop: its name is none of a module's: rename it, such as my_shop",
        ),
        ({"other/product.py": ""}, "pipelines/other/product.py:1: never read, for its folder has no __init__.py"),
        ({"booking/train.py": "import x_y_z\n"}, "can't be imported at pipelines/booking/train.py:1: No module named"),
        (
            {"booking/train.py": "raise OSError('no')"},
            "train: 'pipelines.booking.train:fit' can't be imported at pipelines/booking/train.py:1: no",
        ),
    ],
)
def test_what_keeps_a_product_from_being_read_is_told(check: Check, files: dict[str, str], line: str) -> None:
    assert any(line in found for found in check(files)), check(files)


def test_products_are_told_of_all_at_once_with_the_lines_they_stand_on(check: Check) -> None:
    found = check({"broken/__init__.py": "", "broken/product.py": "import no_such"}, feature="ratio")
    assert found == [
        "pipelines/broken/product.py:1: ModuleNotFoundError: No module named 'no_such'",
        "pipelines/booking/product.py:9: model 'booking': unknown feature 'users.ratio'. Declared: users.rate",
    ]


def test_features_that_see_their_own_row_are_refused(check: Check) -> None:
    (line,) = check(examples=HOUR_LATER)
    assert line.startswith("pipelines/booking/product.py:9: model 'booking': feature 'users.rate' sees")
    for word in ("'clicks'", "'is_booking'", "available_time", "asked_at"):
        assert word in line
    times = "date_time - INTERVAL 1 DAY AS event_time, date_time - INTERVAL 1 DAY AS available_time"
    backdated = f'sql="SELECT user_id, {times}, is_booking * 2 AS rate FROM clicks", features=(Feature(name="rate"),),'  # noqa: S608
    (line,) = check(view=backdated)
    assert "feature 'users.rate' sees the example's own row" in line


@pytest.mark.parametrize(
    ("view", "examples", "source"),
    [
        # The next day, and what was settled a day later.
        (RATE, HOUR_LATER, ", sql='SELECT *, date_time + INTERVAL 1 DAY AS known FROM landed', available_time='known'"),
        (RATE, HOUR_LATER, ", available_time='settled'"),
        # Asked at the row's own moment, when nothing of it is known yet, and before it.
        (RATE, AT_ONCE, ""),
        (RATE, BEFORE, ""),
        # What doesn't depend on the label: counts, and what is known of the user.
        (RATE.replace('mean("is_booking", ', "count("), HOUR_LATER, ""),
        (RATE.replace('mean("is_booking"', 'maximum("length(site)"'), HOUR_LATER, ""),
    ],
)
def test_features_that_do_not_know_the_label_pass(check: Check, view: str, examples: str, source: str) -> None:
    assert check(view=view, examples=examples, source=source) == []


def test_an_input_that_the_label_is_made_from_is_no_leak(check: Check) -> None:
    asked = HOUR_LATER.replace("is_booking,", "CAST(is_booking + length(site) > 3 AS INTEGER) AS is_booking,")
    view = RATE.replace('mean("is_booking"', 'maximum("length(site)"')
    assert check(view=view, examples=asked) == []


SAMPLE = "date_time,user_id,site,is_booking,settled\n2020-01-01T10:00:00Z,1,a,0,\n2020-01-02T10:00:00Z,2,b,1,\n"


def test_sql_that_fails_on_the_sample_is_told(check: Check) -> None:
    numbers = ", sql='SELECT *, CAST(site AS INTEGER) AS place FROM landed'"
    assert check(source=numbers) == []
    (line,) = check({"booking/sample.csv": SAMPLE}, source=numbers)
    assert line.startswith("pipelines/booking/product.py:3: source 'clicks': sql fails on sample.csv: ")
    assert "Could not convert string 'a' to INT32" in line
    asked = BEFORE.replace("length(site)", "CAST(site AS INTEGER)")
    (line,) = check({"booking/sample.csv": SAMPLE}, examples=asked)
    assert "model 'booking': examples: on the rows of sample.csv, the SQL of its examples fails" in line
    view = RATE.replace("is_booking", "CAST(site AS INTEGER)")
    (line,) = check({"booking/sample.csv": SAMPLE}, view=view)
    assert "feature view 'users': on the rows of sample.csv, " in line


def test_the_leak_is_found_on_the_sample_too(check: Check) -> None:
    (line,) = check({"booking/sample.csv": SAMPLE}, examples=HOUR_LATER)
    assert "feature 'users.rate' sees the example's own row" in line
    assert check({"booking/sample.csv": SAMPLE}, examples=HOUR_LATER, source=", available_time='settled'") == []


def test_a_library_that_the_container_lacks_is_named(check: Check, tmp_path: Path) -> None:
    assert check() == []
    train = TRAIN.replace("    return", "    import hypothesis\n    return")
    (line,) = check({"booking/train.py": train})
    assert line.endswith(
        "pipelines/booking/train.py:4 imports hypothesis, which is installed here and not in the training container. "
        "Add hypothesis to the group 'training' in pyproject.toml, run headwater lock"
    )
    lines = check({"booking/contracts.py": f"import hypothesis\n{CONTRACTS}"})
    assert any("not in the functions that read products" in line for line in lines)
    (tmp_path / "ours.py").write_text("")
    (line,) = check({"booking/train.py": f"import ours\n{TRAIN}"})
    assert "the training container has only headwater, pipelines of this project" in line


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("Schedule(cron='0 6 * * ? 2020')", "model 'booking': retrain: schedule 'cron(0 6 * * ? 2020)' has no tick to"),
        ("Schedule(cron='0 6 ? * SUN *', calendar=weekdays())", "has no tick to come on a day that its calendar"),
        ("Schedule(every='1h', calendar=business_days('XX'))", "holidays('XX')"),
        ("Schedule(every='1h', ends='2020-01-01', starts='2019-01-01')", ""),
    ],
)
def test_a_schedule_that_never_fires_is_told_by_line(check: Check, schedule: str, words: str) -> None:
    product = PRODUCT.replace("    holdout=", f"    retrain={schedule},\n    holdout=")
    for word, text in {"source": "", "view": RATE, "feature": "rate", "examples": BEFORE}.items():
        product = product.replace("{" + word + "}", text)
    found = check({"booking/product.py": product})
    assert [line for line in found if "retrain" in line] == ([line for line in found if words in line] if words else [])
    if words:
        assert any(line.startswith("pipelines/booking/product.py:") and words in line for line in found), found


def test_a_views_schedule_knows_calendars_and_replaces_no_run(check: Check) -> None:
    assert check(view=RATE + "schedule=Schedule(cron='0 6 * * ? *', calendar=weekdays(), roll='next'),") == []
    (found,) = check(view=RATE + "schedule=Schedule(every='1h', overlap='replace'),")
    assert "feature view 'users': schedule: overlap=\"replace\" can't be given here: a function that runs" in found


def test_a_project_without_products_is_told_how_to_write_one() -> None:
    with pytest.raises(HeadwaterError) as caught:
        checked_catalog("no_such_pipelines")
    assert caught.value.message.startswith("there is no folder no_such_pipelines/, which holds the products: headwater")
