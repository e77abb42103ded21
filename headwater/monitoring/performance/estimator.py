"""``estimate.json``: a training run leaves it for judging its version's performance later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from headwater.declare import Metric
from headwater.monitoring.performance.calibration import Calibration
from headwater.monitoring.performance.direct import DirectLoss
from headwater.monitoring.performance.types import Baseline
from headwater.registry.types import ModelVersion
from headwater.values import Stored


class Estimator(Stored):
    """Baselines of a version on its held-out rows, and how its performance is estimated without labels."""

    model: str
    run_id: str
    task: Literal["classification", "regression"]
    baselines: Mapping[Metric, Baseline] = Field(default_factory=dict)
    """Realised on the held-out rows."""
    estimated: Mapping[Metric, Baseline] = Field(default_factory=dict)
    """Estimated for the held-out rows, which is what estimates are compared with."""
    segments: Mapping[str, Mapping[Metric, Baseline]] = Field(default_factory=dict)
    """Realised on the held-out rows of each segment, such as ``carrier=UA``."""
    estimated_segments: Mapping[str, Mapping[Metric, Baseline]] = Field(default_factory=dict)
    """Estimated for the held-out rows of each segment; none of versions that were trained before it was kept."""
    calibration: Calibration | None = None
    """A classifier's curve; None if too few rows were held out to trust its scores as probabilities."""
    direct: DirectLoss | None = None
    """A regression's trees; None if no estimate beats the mean error."""
    reason: str = ""
    """Why there is no estimate, for people; empty if there is one."""


def baseline_of(
    version: ModelVersion, estimator: Estimator | None, metric: Metric, *, segment: str = "", estimated: bool = False
) -> Baseline | None:
    """The baseline of a version's figure; None if training didn't measure it.

    Versions that were trained before `Estimator` was kept have their metrics, without intervals, and nothing for
    segments or estimates.
    """
    if estimator is not None:
        if segment:
            kept = estimator.estimated_segments if estimated else estimator.segments
            return kept.get(segment, {}).get(metric)
        return (estimator.estimated if estimated else estimator.baselines).get(metric)
    value = version.metrics.get(metric)
    if segment or estimated or value is None:
        return None
    return Baseline(value=value, rows=version.candidate.rows.get("holdout", 0))
