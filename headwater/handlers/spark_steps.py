"""Environment and service of the functions before and after Spark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headwater.declare import load_catalog
from headwater.settings import LakeSettings, at_init_from
from headwater.storage.environment import CLIENTS

if TYPE_CHECKING:
    from headwater.features.spark.runs import SparkSteps


class Settings(LakeSettings):
    """Environment of both functions."""


@at_init_from(Settings)
def service(settings: Settings) -> SparkSteps:
    """The steps before and after a job."""
    # Imported here: the deployment reads `Settings` where DuckDB needn't be installed.
    from headwater.features.spark.runs import SparkSteps

    return SparkSteps.from_settings(load_catalog(), settings, CLIENTS)
