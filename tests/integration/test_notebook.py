"""The notebook of docs/ on the deployed system: it runs, and says what it says there."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.notebook import NOTEBOOK
from tests.projects import ROOT, Project

pytestmark = pytest.mark.cloud


def said(notebook: dict[str, list[dict[str, object]]]) -> list[tuple[str, object]]:
    """What each cell holds and what came of it."""
    return [("".join(map(str, cell["source"])), cell.get("outputs")) for cell in notebook["cells"]]  # type: ignore[call-overload]


def test_the_notebook_says_what_its_page_shows(project: Project) -> None:
    # In a process of its own: Jupyter's libraries warn of things that aren't ours.
    run = subprocess.run(
        [sys.executable, "-m", "tests.notebook", "--print"],
        cwd=ROOT, env=project.environment(), capture_output=True, text=True, check=False, timeout=180,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    page = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert said(json.loads(run.stdout)) == said(page), "stale: headwater local up && python -m tests.notebook"
    assert str(ROOT) not in NOTEBOOK.read_text(encoding="utf-8")
