"""A run says who started it: a person, by a command, a script or a notebook, and at which commit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from headwater.client.starting import started_by, starting
from headwater.registry.starting import StartedBy
from tests.unit.code.repositories import alone, commit, git, put, repository

ROOT = Path(__file__).resolve().parents[3]
SAYS = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from headwater.client.starting import started_by
print(started_by().model_dump_json())
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    alone(monkeypatch)
    for name in ("JPY_SESSION_NAME", "HEADWATER_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    made = repository(tmp_path / "flights")
    put(made, "infra/__main__.py", "")
    put(made, "tools/nightly.py", SAYS)
    put(made, "notebooks/empty.txt", "")
    commit(made)
    monkeypatch.chdir(made / "notebooks")
    return made


def told(*command: str) -> StartedBy:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return StartedBy.model_validate_json(done.stdout)


def test_a_script_is_named_by_its_file_in_the_project(project: Path) -> None:
    start = told(sys.executable, "../tools/nightly.py")
    assert (start.how, start.program) == ("script", "tools/nightly.py")
    assert (start.commit, start.clean) == (git(project, "rev-parse", "HEAD"), True)
    assert start.person
    assert str(start) == f"{start.person} (script tools/nightly.py), at {start.commit[:12]}"


def test_a_script_elsewhere_is_named_without_its_folders(project: Path, tmp_path: Path) -> None:
    put(tmp_path, "home/ada/secret-project/once.py", SAYS)
    assert told(sys.executable, str(tmp_path / "home/ada/secret-project/once.py")).program == "once.py"


def test_a_module_and_a_line_of_python_are_told_apart(project: Path) -> None:
    put(project, "tools/__init__.py", "")
    environment = {**os.environ, "PYTHONPATH": str(project)}
    done = subprocess.run(
        [sys.executable, "-m", "tools.nightly"], capture_output=True, text=True, check=True, env=environment
    )
    start = StartedBy.model_validate_json(done.stdout)
    assert (start.how, start.program, start.clean) == ("script", "python -m tools.nightly", False)
    assert told(sys.executable, "-c", SAYS).program == "python -c"


def in_notebook(project: Path, before: str = "") -> StartedBy:
    cells = [nbformat.v4.new_code_cell(source) for source in (before, SAYS)]
    notebook: Any = nbformat.v4.new_notebook(cells=cells)
    resources = {"metadata": {"path": str(project / "notebooks")}}
    NotebookClient(notebook, timeout=60, kernel_name="python3", resources=resources).execute()
    return StartedBy.model_validate_json(notebook.cells[-1].outputs[0].text)


def test_a_notebook_is_recorded_as_such_by_its_name_or_its_kernel(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    start = in_notebook(project)
    assert start.how == "notebook"
    assert start.program.startswith("kernel ")
    assert len(start.program) > len("kernel ") + 10
    assert (start.commit, start.clean) == (git(project, "rev-parse", "HEAD"), True)
    # As VS Code tells it, and as Jupyter's server does.
    name = str(project / "notebooks" / "explore.ipynb")
    assert in_notebook(project, f"__vsc_ipynb_file__ = {name!r}").program == "notebooks/explore.ipynb"
    monkeypatch.setenv("JPY_SESSION_NAME", "/somewhere/else/try.ipynb")
    assert in_notebook(project).program == "try.ipynb"


def test_a_command_says_its_name_and_only_while_it_runs(project: Path) -> None:
    with starting("command", "headwater train"):
        assert (started_by().how, started_by().program) == ("command", "headwater train")
    assert started_by().how == "script"


def test_outside_of_a_repository_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    start = started_by()
    assert (start.commit, start.clean) == ("", None)


def test_what_is_told_fits_a_machines_input_however_long_the_names_are(project: Path) -> None:
    with starting("notebook", "ü" * 5000 + "/a.ipynb"):
        start = started_by()
    assert (len(start.program), start.program[:4], start.program[-9:]) == (100, "...ü", "ü/a.ipynb")
    whole = StartedBy(how="verification", person="🦆" * 50, program="🦆" * 100, commit="f" * 64, clean=False)
    assert len(json.dumps(whole.model_dump(mode="json")).encode()) < 2048


@pytest.mark.parametrize("given", [None, {}, "ada", {"how": "telepathy"}, {"how": "script", "of_later": 1}])
def test_a_start_that_cannot_be_read_is_nobodys(given: object) -> None:
    assert StartedBy.read(given) is None
