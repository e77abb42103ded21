"""Finds uploads without an event: a new bucket's events reach EventBridge only minutes after its creation."""

from __future__ import annotations

from datetime import datetime, timedelta

from headwater.lake.intake import Intake
from headwater.lake.store import IngestionLog, Objects
from headwater.lake.types import LANDING, Upload
from headwater.storage.clients import Clients
from headwater.storage.table import Table

GRACE = timedelta(minutes=5)
"""Younger uploads are left to their event."""
WINDOW = timedelta(hours=6)
"""Earlier sweeps have checked older uploads: an hourly sweep may fail five times in a row and misses nothing."""


class Sweep:
    """Starts the ingestion of landed files that have none.

    Parameters
    ----------
    bucket : str
        The lake's bucket.
    table : Table
        The registry table.
    ingestion_arn : str
        The ingestion state machine.
    clients : Clients
    """

    def __init__(self, bucket: str, table: Table, ingestion_arn: str, clients: Clients) -> None:
        self._objects = Objects(bucket, clients)
        self._ingestion_log = IngestionLog(table)
        self._intake = Intake(ingestion_arn, clients)

    def sweep(self, now: datetime, *, everything: bool = False) -> list[Upload]:
        """Start the ingestion of uploads that have none. A repeated call starts no ingestion twice.

        Parameters
        ----------
        now : datetime
            The time, UTC.
        everything : bool
            Check all uploads instead of those of the last `WINDOW`.

        Returns
        -------
        list of Upload
            The uploads whose run this call started.
        """
        newest, oldest = now - GRACE, None if everything else now - WINDOW
        waiting = (
            upload
            for landed, upload in self._objects.landed(f"{LANDING}/")
            if landed <= newest
            and (oldest is None or landed >= oldest)
            and self._ingestion_log.ingestion(upload) is None
        )
        # A run has its upload's name: an upload that is being ingested, or that failed without a record, gets no second
        # run.
        return [upload for upload in waiting if self._intake.start(upload)]
