"""The environment that the functions of alarms share."""

from __future__ import annotations

from headwater.alarms.store import declared_alarms
from headwater.declare.alarms import Alarms
from headwater.errors import NotFound
from headwater.settings import FunctionSettings
from headwater.storage.environment import CLIENTS


class AlarmSettings(FunctionSettings):
    """Environment of every function of alarms."""

    registry_table: str
    artifacts_bucket: str
    declared_sha256: str
    """Hash of the declared routes: another one starts the function anew."""
    stack: str
    """The label ``stack`` of alarms: every one's, or of those about heartbeats."""
    alarms_queue_url: str

    def declared(self) -> Alarms:
        """The routes and receivers that were deployed; raises NotFound if none were."""
        found = declared_alarms(self.artifacts_bucket, CLIENTS)
        if found is None:
            raise NotFound(f"there are no routes in s3://{self.artifacts_bucket}: deploy the stack again")
        return found
