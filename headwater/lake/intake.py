"""Starts one run for one upload, however often its event comes."""

from __future__ import annotations

from headwater.lake.types import Upload
from headwater.storage.clients import Clients
from headwater.storage.executions import Executions


class Intake:
    """Starts the ingestion state machine.

    Parameters
    ----------
    ingestion_arn : str
        The state machine.
    clients : Clients
    """

    def __init__(self, ingestion_arn: str, clients: Clients) -> None:
        self._executions = Executions(ingestion_arn, clients)

    def start(self, upload: Upload) -> bool:
        """Start the run of ``upload``. Returns whether this call started it.

        The run's name is made of bucket, key and version id, and Step Functions accepts a name once in ninety days: a
        second event finds the name taken. The object that S3's console makes for a folder starts nothing.
        """
        if upload.is_folder:
            return False
        return self._executions.start(upload.id, {"upload": upload.model_dump()})
