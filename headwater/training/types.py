"""Values of a training run, light enough for the client and the command."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

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


class RunStatus(StrEnum):
    """Step Functions' words."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    ABORTED = "ABORTED"


class Stage(Value):
    """One task of a run."""

    name: str
    status: RunStatus
    started_at: datetime
    finished_at: datetime | None = None

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it runs."""
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else None


class Run(Value):
    """One execution of a state machine."""

    id: str
    """The execution's name; of a training run also the run id."""
    arn: str
    status: RunStatus
    started_at: datetime
    finished_at: datetime | None = None
    given: Mapping[str, Any] = {}
    """The execution's input."""
    result: Mapping[str, Any] = {}
    """Its output; empty until it succeeded."""
    stages: tuple[Stage, ...] = ()
    """The tasks so far, in order; only `Pipeline.get` and `Pipeline.watch` fill them in."""
    error: str = ""
    cause: str = ""
    """Why it failed, in one line."""
    look_at: tuple[str, ...] = ()
    """Where to see more: addresses and log groups."""

    @property
    def model(self) -> str:
        """The model that it trains; empty for an ingestion."""
        return str(self.given.get("model", ""))

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen."""
        return self.status is not RunStatus.RUNNING
