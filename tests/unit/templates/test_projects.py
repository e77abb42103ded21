"""`headwater new`: a project that holds together, and that this repository is one of."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater import __version__
from headwater.templates import project_files, write_project
from headwater.templates.errors import AlreadyThere, BadName, NotWritten
from headwater.templates.whole import write_all

ROOT = Path(__file__).parents[3]
OWN = {"README.md", "pyproject.toml", ".gitignore", ".github/workflows/tests.yml"}
"""What this repository has more of than a project: it holds the library, too."""


def test_this_repository_is_a_project_of_the_form_that_is_written() -> None:
    for path, text in project_files("headwater"):
        if path.as_posix() not in OWN:
            assert (ROOT / path).read_text(encoding="utf-8") == text, path


def test_a_project_names_itself_and_the_version_it_stands_on(tmp_path: Path) -> None:
    made = write_project(tmp_path / "shop", "shop")
    assert all(path.is_file() for path in made.files)
    assert (made.root / "Pulumi.yaml").read_text().startswith("name: shop\n")
    assert f'"headwater[local]=={__version__}"' in (made.root / "pyproject.toml").read_text()
    assert "$project" not in "".join(path.read_text() for path in made.files)


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(AlreadyThere, match="not empty; nothing was written"):
        write_project(tmp_path, "shop")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_fresh_git_repository_counts_as_empty(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert write_project(tmp_path, "shop").files


@pytest.mark.parametrize("name", ["", "Shop", "1shop", "shop_one", "s", "shop-", "a" * 25, "../up"])
def test_a_name_that_no_bucket_can_begin_with_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadName, match="expected 2 to 24 lower-case letters"):
        write_project(tmp_path / "new", name)
    assert not (tmp_path / "new").exists()


def test_a_bad_name_is_answered_with_a_good_one(tmp_path: Path) -> None:
    with pytest.raises(BadName) as caught:
        write_project(tmp_path / "new", "My Shop")
    assert caught.value.next_steps == ("headwater new my-shop",)


@pytest.mark.parametrize(
    ("given", "step"),
    [
        ("größe2", "headwater new grosse2"),
        ("./shop2", "headwater new shop2 --folder ./shop2"),
        ("my shops/Corner Shop", "headwater new corner-shop --folder 'my shops/Corner Shop'"),
    ],
)
def test_a_path_or_an_umlaut_is_answered_with_the_name_that_was_meant(given: str, step: str) -> None:
    with pytest.raises(BadName) as caught:
        write_project(Path("new"), given)
    assert caught.value.next_steps == (step,)


def test_a_file_of_that_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("mine")
    with pytest.raises(AlreadyThere, match="shop is a file; nothing was written"):
        write_project(tmp_path / "shop", "shop")


def test_of_files_that_can_not_all_be_written_none_is(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    contents = {tmp_path / "a" / "b" / "one.txt": b"1", tmp_path / "taken" / "two.txt": b"2"}
    with pytest.raises(NotWritten, match=r"two.txt can't be written: Not a directory; nothing was written"):
        write_all(contents)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
