"""Runs the notebook of docs/ on the stack that is meant, and writes what it says into it.

headwater local up && python -m tests.notebook
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "docs" / "features.ipynb"


def run(path: Path = NOTEBOOK) -> dict[str, Any]:
    """The notebook as JSON, with the outputs of a run in this environment; what differs from run to run is left out."""
    # What a terminal would colour, a page wouldn't.
    os.environ |= {"NO_COLOR": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(Path.cwd())}}
    ).execute()
    for cell in notebook.cells:
        cell.metadata = {}
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), 1):
        cell.execution_count = number
        cell.outputs = _joined(cell.outputs)
    made: dict[str, Any] = json.loads(nbformat.writes(notebook))
    return made


def _joined(outputs: list[Any]) -> list[Any]:
    """The outputs, with what was printed in one piece: where a kernel cuts it depends on its haste."""
    joined: list[Any] = []
    for output in outputs:
        output.pop("execution_count", None)
        if joined and output.output_type == "stream" and joined[-1].get("name") == output.name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def text(notebook: dict[str, Any]) -> str:
    """The notebook as its file holds it."""
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    if "--print" in sys.argv:
        sys.stdout.write(text(run()))
    else:
        NOTEBOOK.write_text(text(run()), encoding="utf-8")
