"""Values of a training run, light enough for a client."""

from __future__ import annotations

from collections.abc import Mapping

from headwater.registry.types import TrainingSet
from headwater.values import Pointer, Value

DATA_VERSION_FILE = "data_version.json"
TRAINING_SET_FILE, PREPARED_FILE = "training_set.parquet", "prepared.json"
LOCK_FILE, FAILURE_FILE = "requirements.txt", "failure.json"
ASKED, LABEL = "asked_at", "__label"
"""Columns of the training set beside the model's own; a timestamp input's moment is kept under the input's name."""


class Prepared(Value):
    """The files that `Preparation.prepare` left under ``runs/<model>/<run id>/``."""

    model: str
    run_id: str
    data_version: str
    commits: Mapping[str, str]
    """The commit of each source that the rows came from."""
    training_set: TrainingSet
    data: Pointer
    """``data_version.json``, a `DataVersion`: what was pinned."""
    definition: Pointer
    """``definition.json``, a `Product`: the model and all that its rows are made by, as they were declared."""
    rows: int
    unlabelled: int
    """Examples without a label, left out."""


def dataset_of(model: str) -> str:
    """The dataset that the files of a model's versions are committed to."""
    return f"models/{model}"


class Failure(Value):
    """``failure.json``: why the container gave up, for those who only see that it exited with 1."""

    error: str
    message: str
