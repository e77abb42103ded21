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
from headwater.templates.guessing import Guess
from headwater.templates.inspecting import inspect
from headwater.templates.naming import suggested
from headwater.templates.whole import write_all
from headwater.verification import RESERVED, is_reserved

PARTS = ("__init__.py", "product.py", "contracts.py", "train.py")
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
        "learned": "assert model.score(columns.iloc[1::2], label.iloc[1::2]) > 0.5",
        "categories": '["district"]',
    },
    "classification": {
        "label": "sold_within_month",
        "question": "Will a house be sold within a month?",
        "positive_line": '\n        positive="sold within a month",',
        "gates": 'Gate(metric="roc_auc", at_least=0.65)',
        "label_column": "pa.Column(int, pa.Check.isin([0, 1]))",
        "estimator": "HistGradientBoostingClassifier",
        "learned": "assert model.score(columns.iloc[1::2], label.iloc[1::2]) > 0.6",
        "categories": '["district"]',
    },
}


@dataclass(frozen=True)
class Scaffold:
    """The written files of a product."""

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
    source = _source(model)
    words = {"model": model, "source": source, "task": task, **_WORDS[task]}
    return _write(
        project,
        model,
        {name: _fill(f"product/{name}.tmpl", words) for name in PARTS},
        sample=_read(f"product/sample-{task}.csv").encode(),
        test=_fill("product/test.py.tmpl", words),
        request={"rooms": 4, "area": 120, "district": "harbour"},
    )


def write_from(project: Path, model: str, file: Path, label: str | None = None) -> tuple[Scaffold, Guess]:
    """Write a product for the rows of a file of one's own, as `write` does.

    Parameters
    ----------
    project : Path
    model : str
    file : Path
        A delimited file; all of its rows are read.
    label : str, optional
        The column that the model is to answer with; by default the last one that can be.

    Raises
    ------
    BadName, AlreadyThere
        As `write`.
    NotATable, FileRefused
        No product can be made from the file.
    """
    source = _source(model)
    guess = Guess.of(inspect(file), label, file.name)
    words = {"model": model, "source": source, **guess.words(source)}
    parts = {name: _fill(f"product/{name}.tmpl", words) for name in ("__init__.py", "train.py")}
    parts |= {name: _fill(f"product_from_file/{name}.tmpl", words) for name in ("product.py", "contracts.py")}
    made = _write(
        project,
        model,
        parts,
        sample=guess.sample(),
        test=_fill("product/test.py.tmpl", words),
        request=guess.request(),
    )
    return made, guess


def _source(model: str) -> str:
    _check_name(model)
    return f"{model}_rows"


def _write(
    project: Path, model: str, parts: Mapping[str, str], *, sample: bytes, test: str, request: Mapping[str, object]
) -> Scaffold:
    folder = project / "pipelines" / model
    contents = {folder / name: text.encode() for name, text in parts.items()}
    contents[folder / "sample.csv"] = sample
    contents[project / "tests" / "pipelines" / f"test_{model}.py"] = test.encode()
    for path in (folder, folder.with_suffix(".py"), *contents):
        if path.exists():
            raise AlreadyThere(
                f"{path.relative_to(project)} exists; nothing was written",
                next_steps=["choose another name, or move it away"],
            )
    write_all(contents)
    return Scaffold(
        model=model,
        source=_source(model),
        files=tuple(contents),
        sample=folder / "sample.csv",
        request=request,
    )


def _check_name(model: str) -> None:
    if not _NAME.fullmatch(model):
        suggestion = suggested(model.removesuffix(".py"), "_", 43)
        raise BadName(
            f"{model!r} can't be a model's name: lower-case letters, digits and underscores, a letter first, at most "
            "43 characters",
            next_steps=[f"headwater init {suggestion}"] if _NAME.fullmatch(suggestion) else [],
        )
    if is_reserved(model):
        raise BadName(f"{model!r}: names that begin with {RESERVED} are those of headwater verify; choose another")
    if keyword.iskeyword(model) or model in _RESERVED:
        raise BadName(f"{model!r} is taken by {'Python' if keyword.iskeyword(model) else 'Headwater'}; choose another")


def _read(template: str) -> str:
    return files("headwater.templates").joinpath(*template.split("/")).read_text(encoding="utf-8")


def _fill(template: str, words: Mapping[str, str]) -> str:
    return string.Template(_read(template)).substitute(words)
