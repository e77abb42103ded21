"""What a project adds to the library's locks, and what it can't."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.locks import LockConflict, entries, lock

OURS = """\
# a comment
numpy==2.3.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via pandas
pandas==2.3.0 ; python_version >= "3.11" \\
    --hash=sha256:cc
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("training", "control"):
        (tmp_path / f"{name}.txt").write_text(OURS)
    return tmp_path


def project(tmp_path: Path, text: str, name: str = "training") -> Path:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / f"{name}.txt").write_text(text)
    return tmp_path


def test_a_project_without_a_lock_has_the_librarys(folder: Path, tmp_path: Path) -> None:
    assert lock("training", None, folder=folder) == lock("training", tmp_path, folder=folder) == OURS


def test_what_the_project_pins_comes_after_the_librarys_and_only_once(folder: Path, tmp_path: Path) -> None:
    root = project(tmp_path, "lightgbm==4.6.0 \\\n    --hash=sha256:dd\nNumPy==2.3.0 --hash=sha256:aa\n")
    assert lock("training", root, folder=folder) == OURS + "lightgbm==4.6.0 \\\n    --hash=sha256:dd\n"


def test_another_version_than_the_librarys_is_refused_with_both(folder: Path, tmp_path: Path) -> None:
    root = project(tmp_path, "pandas==2.2.0 --hash=sha256:dd\n")
    with pytest.raises(LockConflict, match=r"training.txt pins pandas to 2.2.0, Headwater's lock to 2.3.0"):
        lock("training", root, folder=folder)


def test_only_places_that_import_products_can_be_added_to(folder: Path, tmp_path: Path) -> None:
    assert lock("control", project(tmp_path, "six==1\n", "control"), folder=folder) == OURS


def test_entries_keep_markers_and_hashes() -> None:
    found = entries(OURS)
    assert list(found) == ["numpy", "pandas"]
    assert found["numpy"].count("--hash") == 2
    assert "python_version" in found["pandas"]


def test_a_package_with_a_version_for_each_python_keeps_all_of_them() -> None:
    text = "numpy==2.2.0 ; python_version < '3.12' \\\n    --hash=sha256:aa\nnumpy==2.3.0 ; python_version >= '3.12'\n"
    assert entries(text) == {"numpy": text}
