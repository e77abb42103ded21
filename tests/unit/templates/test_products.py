"""A new product passes its own checks before anybody has edited it, and nothing is ever overwritten."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from headwater.templates import write
from headwater.templates.errors import AlreadyThere, BadName
from headwater.templates.products import Task

ROOT = Path(__file__).parents[3]


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in a project of its own, with this tree's `headwater`."""
    environment = {**os.environ, "PYTHONPATH": f"{project}{os.pathsep}{ROOT}"}
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=project, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "__init__.py").touch()
    (tmp_path / "infra").mkdir()
    (tmp_path / "Pulumi.yaml").touch()
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    return tmp_path


LONGEST = "a" * 43


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_a_new_product_passes_its_checks_and_its_tests(project: Path, task: Task) -> None:
    made = write(project, "house_price", task)
    checked = run(project, "headwater.cli", "check", "--json")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert '"models": ["house_price"]' in checked.stdout
    tested = run(project, "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", str(made.files[-1]))
    assert tested.returncode == 0, tested.stdout


@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.parametrize("name", ["house_price", "z", LONGEST])
def test_a_new_product_passes_the_linter(project: Path, task: Task, name: str) -> None:
    (project / "headwater").symlink_to(ROOT / "headwater")  # whose imports are ours, not a library's
    write(project, name, task)
    linted = run(project, "ruff", "check", "--no-cache", "pipelines", "tests")
    assert linted.returncode == 0, linted.stdout


def test_the_command_prints_the_way_to_the_first_prediction(project: Path) -> None:
    done = run(project, "headwater.cli", "init", "house_price", "--task", "regression")
    assert done.returncode == 0, done.stderr
    for step in (
        "headwater local up",
        "headwater upload house_price_rows pipelines/house_price/sample.csv --wait",
        "headwater train house_price --watch",
        'headwater predict house_price --input \'{"rooms": 4, "area": 120, "district": "harbour"}\'',
    ):
        assert step in done.stdout
    again = run(project, "headwater.cli", "init", "house_price")
    assert again.returncode == 5
    assert "pipelines/house_price exists; nothing was written" in again.stderr


def test_a_file_that_exists_is_never_overwritten(project: Path) -> None:
    mine = project / "tests" / "pipelines" / "test_house_price.py"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(AlreadyThere, match=r"test_house_price\.py exists"):
        write(project, "house_price", "regression")
    assert mine.read_text() == "mine"
    assert not (project / "pipelines" / "house_price").exists()


@pytest.mark.parametrize("name", ["", "House-Price", "2rooms", "a" * 44, "über", "../up", "a b", "a.b", "_x"])
def test_a_name_that_cannot_be_one_is_refused(project: Path, name: str) -> None:
    with pytest.raises(BadName, match="can't be a model's name"):
        write(project, name, "regression")


@pytest.mark.parametrize(("name", "owner"), [("class", "Python"), ("flights", "Headwater"), ("task", "Headwater")])
def test_a_name_that_is_taken_is_refused(project: Path, name: str, owner: str) -> None:
    with pytest.raises(BadName, match=f"is taken by {owner}"):
        write(project, name, "regression")


def test_a_bad_name_is_answered_with_a_good_one(project: Path) -> None:
    with pytest.raises(BadName) as caught:
        write(project, "House Price", "regression")
    assert caught.value.next_steps == ("headwater init house_price",)


def test_a_kind_of_answer_beside_a_file_is_refused_for_the_label_decides(project: Path) -> None:
    done = run(project, "headwater.cli", "init", "basket", "--from", "orders.csv", "--task", "regression")
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        2, "error: --task is for a product of houses: --from finds the kind of answer by the label"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "step"), [("Größe", ["headwater init grosse"]), ("basket2.py", ["headwater init basket2"]), ("1", [])]
)
def test_a_bad_name_is_answered_with_the_one_that_was_meant(project: Path, given: str, step: list[str]) -> None:
    with pytest.raises(BadName) as caught:
        write(project, given, "regression")
    assert list(caught.value.next_steps) == step


def test_the_names_of_verify_are_not_given_away(project: Path) -> None:
    with pytest.raises(BadName, match="names that begin with headwater_verify are those of headwater verify"):
        write(project, "headwater_verify_2", "regression")
