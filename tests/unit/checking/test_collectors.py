"""`headwater check` on collectors: schedules that never fire, functions that can't be called where they will run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.checking import problems
from headwater.checking.collectors import collector_problems
from headwater.declare import Code, Collector, Http, Product, Schedule, catalog, dates, weekdays
from headwater.declare.collectors import Reads
from tests.unit.checking.declared import SOURCE

MODULE = """
import json

SETTING = 7


def collect(request):
    yield from ()


def two(request, other):
    yield from ()


def none():
    yield from ()


class Collects:
    def __init__(self, request):
        pass


def lazy(request):
    import headwater_no_such_library
"""


@pytest.fixture
def functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A project's functions/, with a module that collects and one whose library nothing installs."""
    (folder := tmp_path / "functions").mkdir()
    (folder / "__init__.py").touch()
    (folder / "tills.py").write_text(MODULE)
    (folder / "rare.py").write_text("import lightgbm_of_mine\n\n\ndef collect(request):\n    yield from ()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "functions"}
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "functions"]:
        del sys.modules[name]
    sys.modules.update(before)


def found(function: str = "functions.tills:collect", schedule: Schedule | None = None) -> list[str]:
    return list(collector_problems(collector(Code(function=function), schedule)))


def collector(reads: Reads, schedule: Schedule | None = None) -> Collector:
    return Collector(name="tills", source="houses", schedule=schedule or Schedule(every="1h"), reads=reads)


@pytest.mark.usefixtures("functions")
@pytest.mark.parametrize("name", ["collect", "Collects"])
def test_a_function_that_takes_the_request_has_no_problem(name: str) -> None:
    assert found(f"functions.tills:{name}") == []


@pytest.mark.usefixtures("functions")
@pytest.mark.parametrize(
    ("function", "words"),
    [
        (
            "tests.unit.checking.test_collectors:collector",
            "the functions that read products: it must be in functions/ or pipelines/",
        ),
        ("headwater.cli:main", "isn't deployed"),
        ("functions.tills:absent", "function: "),
        ("functions.absent:collect", "function: "),
        ("functions.tills:SETTING", "is int, expected a function"),
        ("functions.tills:two", "must take one argument, the request: missing a required argument: 'other'"),
        ("functions.tills:none", "must take one argument, the request: too many positional arguments"),
        ("functions.tills:lazy", "functions/tills.py:25 imports headwater_no_such_library, which is installed neither"),
        ("functions.rare:collect", "lightgbm_of_mine"),
    ],
)
def test_a_function_that_cannot_be_called_where_it_runs_is_told_in_a_line(function: str, words: str) -> None:
    (problem,) = found(function)
    assert words in problem
    assert "\n" not in problem


@pytest.mark.usefixtures("functions")
def test_a_function_that_runs_in_a_container_must_be_in_its_image() -> None:
    told = collector(Code(function="functions.tills:collect")).model_copy(update={"runs_in": "container"})
    assert list(collector_problems(told)) == [
        "function 'functions.tills:collect' isn't deployed to the training container: it must be in pipelines/"
    ]


def test_a_schedule_that_never_fires_is_told() -> None:
    never = Schedule(cron="0 6 25 12 ? 2027", calendar=weekdays() - dates("2027-12-25"))
    (problem,) = collector_problems(collector(Http(url="https://rain.example.com/"), never))
    assert problem.startswith("schedule: schedule ")
    assert "has no tick to come" in problem


@pytest.mark.usefixtures("functions")
def test_problems_of_a_collector_are_among_those_of_its_product() -> None:
    wrong = collector(Code(function="functions.tills:none"))
    (problem,) = problems(catalog([Product(sources=(SOURCE,), collectors=(wrong,))]))
    assert problem.where == "collector 'tills'"
