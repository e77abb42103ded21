"""Writes a new model product from the files under ``templates/``."""

from __future__ import annotations

import keyword
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

from headwater.templates.errors import AlreadyThere, BadName

Task = Literal["classification", "regression"]

# Leaves room for the source's name, which adds "_rows" and has the same limit of 48 characters.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,42}")
_RESERVED = frozenset({"flights", "task", "tests"})
_WORDS: Mapping[Task, Mapping[str, str]] = {
    "regression": {
        "label": "price",
        "question": "What a house will be sold for, in euros.",
        "positive_line": "",
        "gates": 'Gate(metric="r2", at_least=0.5)',
        "label_column": "pa.Column(float, pa.Check.gt(0))",
        "estimator": "HistGradientBoostingRegressor",
        "least_score": "0.5",
    },
    "classification": {
        "label": "sold_within_month",
        "question": "Will a house be sold within a month?",
        "positive_line": '\n        positive="sold within a month",',
        "gates": 'Gate(metric="roc_auc", at_least=0.65)',
        "label_column": "pa.Column(int, pa.Check.isin([0, 1]))",
        "estimator": "HistGradientBoostingClassifier",
        "least_score": "0.6",
    },
}


@dataclass(frozen=True)
class Scaffold:
    """What was written."""

    model: str
    source: str
    files: tuple[Path, ...]
    sample: Path
    request: Mapping[str, object]
    """Inputs of a request that can be sent once the sample was learnt."""


def write(project: Path, model: str, task: Task) -> Scaffold:
    """Write ``pipelines/<model>/`` and a test of it into ``project``: all of it, or nothing.

    Parameters
    ----------
    project : Path
        Folder that holds ``pipelines/``.
    model : str
        Name of the model and its folder: lower-case words joined by underscores.
    task : {"classification", "regression"}
        What the model answers with.

    Raises
    ------
    BadName
        The name can't be a model's, or is taken by Headwater itself.
    AlreadyThere
        A file that would be written exists.
    """
    _check_name(model)
    source = f"{model}_rows"
    words = {"model": model, "source": source, "task": task, **_WORDS[task]}
    folder = project / "pipelines" / model
    sample = folder / "sample.csv"
    contents = {
        folder / "__init__.py": _fill("__init__.py.tmpl", words),
        folder / "product.py": _fill("product.py.tmpl", words),
        folder / "contracts.py": _fill("contracts.py.tmpl", words),
        folder / "train.py": _fill("train.py.tmpl", words),
        sample: _read(f"sample-{task}.csv"),
        project / "tests" / "pipelines" / f"test_{model}.py": _fill("test.py.tmpl", words),
    }
    for path in (folder, folder.with_suffix(".py"), *contents):
        if path.exists():
            raise AlreadyThere(
                f"{path.relative_to(project)} exists; nothing was written",
                next_steps=["choose another name, or move it away"],
            )
    for path, text in contents.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    request = {"rooms": 4, "area": 120, "district": "harbour"}
    return Scaffold(model=model, source=source, files=tuple(contents), sample=sample, request=request)


def _check_name(model: str) -> None:
    if not _NAME.fullmatch(model):
        suggestion = re.sub(r"[^a-z0-9]+", "_", model.lower()).strip("_0123456789")[:43].strip("_")
        raise BadName(
            f"{model!r} can't be a model's name: lower-case letters, digits and underscores, a letter first, at most "
            "43 characters",
            next_steps=[f"headwater init {suggestion}"] if _NAME.fullmatch(suggestion) else [],
        )
    if keyword.iskeyword(model) or model in _RESERVED:
        raise BadName(f"{model!r} is taken by {'Python' if keyword.iskeyword(model) else 'Headwater'}; choose another")


def _read(template: str) -> str:
    return (files("headwater.templates") / "product" / template).read_text(encoding="utf-8")


def _fill(template: str, words: Mapping[str, str]) -> str:
    return string.Template(_read(template)).substitute(words)
