"""An upload is corrected: the data move on, and what was learnt before can still be had, byte for byte."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from headwater.client import Stack
from headwater.client.models import ModelCard
from headwater.demo.flights import correct, month_files
from headwater.demo.narrating import Narrator

FLIGHTS = "flights"
DAY, LATE_MINUTES = 14, 10


@dataclass(frozen=True)
class Correction:
    """The outcome of a correction: the data's commits, and the first model's training set."""

    file: str
    rows_changed: int
    commit_before: str
    """The commit of the source that the first model learnt from."""
    commit: str
    """The one that the corrected file made."""
    training_set_sha256: str
    """The hash of the first model's training set, made again after the correction: the same as at its training."""
    retrained: int | None
    """The version that learnt from the corrected file, if one was trained."""


def correct_and_go_back(
    cloud: Stack,
    narrator: Narrator,
    card: ModelCard,
    *,
    months: Sequence[int],
    every: int,
    timeout: float,
    retrain: Callable[[], int] | None,
) -> Correction:
    """Upload February again, corrected; then make the first model's training set again from its pinned commits.

    Parameters
    ----------
    cloud : Stack
    narrator : Narrator
    card : ModelCard
        Of the version that was trained before the correction.
    months : sequence of int
        What was uploaded; without a February the last month is corrected.
    every : int
        Every how many flights were uploaded.
    timeout : float
        Seconds that the ingestion may take.
    retrain : callable, optional
        Trains on what counts now; the version that came out.
    """
    with TemporaryDirectory(prefix="headwater-demo-") as folder:
        with narrator.stage("correct", "corrected upload") as stage:
            month = 2 if 2 in months else max(months)
            (file,) = (file for file in month_files(Path(folder), [month], every=every) if file.source == FLIGHTS)
            changed = correct(file, day=DAY, late_minutes=LATE_MINUTES)
            stage.update(f"{file.path.name}: {changed:,} rows corrected")
            done = cloud.ingestions.wait(cloud.upload(FLIGHTS, file.path), timeout=timeout)
            commit = done.commit or ""
            stage.update(f"{file.path.name}, {changed:,} rows corrected: commit {commit[:12]} of sources/{FLIGHTS}")
        retrained = retrain() if retrain else None
        with narrator.stage("rebuild", "back in time") as stage:
            path = Path(folder) / "training_set.parquet"
            made = cloud.models.training_set(card.model, card.version, path)
            size = path.stat().st_size / 1e6
            before = card.commits[FLIGHTS]
            stage.update(
                f"what version {card.version} learnt from, made again from commit {before[:12]}: "
                f"{size:.1f} MB, byte for byte"
            )
    return Correction(file.path.name, changed, before, commit, made.sha256, retrained)
