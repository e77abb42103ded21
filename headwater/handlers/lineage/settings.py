"""The environment that the functions of lineage share."""

from __future__ import annotations

from headwater.graph import Places
from headwater.settings import FunctionSettings
from headwater.storage.environment import CLIENTS


class StackSettings(FunctionSettings):
    """Where the stack keeps its facts, and its names for others."""

    registry_table: str
    lake_bucket: str
    artifacts_bucket: str
    predictions_bucket: str
    project: str
    stack: str
    account: str
    region: str

    @property
    def places(self) -> Places:
        """The same, for lineage."""
        return Places(clients=CLIENTS, **{name: getattr(self, name) for name in StackSettings.model_fields})
