"""Values of a training run, light enough for a client."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

SNAPSHOT_FILE, TRAINING_SET_FILE, PREPARED_FILE = "snapshot.json", "training_set.parquet", "prepared.json"
PROFILE_FILE, FAILURE_FILE = "profile.json", "failure.json"
ASKED, LABEL = "asked_at", "__label"
"""Columns of the training set beside the model's own; a timestamp input's moment is kept under the input's name."""


class Value(BaseModel):
    """A frozen value that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Prepared(Value):
    """What `Preparation.prepare` left under ``runs/<model>/<run id>/``."""

    model: str
    run_id: str
    data_version: str
    rows: int
    unlabelled: int
    """Examples without a label, left out."""


class Failure(Value):
    """``failure.json``: why the container gave up, for those who only see that it exited with 1."""

    error: str
    message: str
