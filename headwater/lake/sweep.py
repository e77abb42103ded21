"""Uploads that no event told of: a bucket's events reach EventBridge only minutes after the bucket was made."""

from __future__ import annotations

from datetime import datetime, timedelta

from headwater.lake.intake import Intake
from headwater.lake.store import Ledger, Objects
from headwater.lake.types import LANDING, Upload

GRACE = timedelta(minutes=5)
"""Younger uploads are left to their event."""
WINDOW = timedelta(hours=6)
"""Older uploads were looked at by earlier sweeps: an hourly sweep may fail five times in a row and misses nothing."""


class Sweep:
    """Finds what landed and has no ingestion, and starts it.

    Parameters
    ----------
    bucket : str
        The lake's bucket.
    table : str
        The registry table.
    ingestion_arn : str
        The ingestion state machine.
    """

    def __init__(self, bucket: str, table: str, ingestion_arn: str) -> None:
        self._objects = Objects(bucket)
        self._ledger = Ledger(table)
        self._intake = Intake(ingestion_arn)

    def sweep(self, now: datetime, *, everything: bool = False) -> list[Upload]:
        """Start the ingestion of uploads that have none; calling it again starts none of them twice.

        Parameters
        ----------
        now : datetime
            The time, UTC.
        everything : bool
            Look at all uploads, not at those of the last `WINDOW` alone.

        Returns
        -------
        list of Upload
            Those whose run this call started.
        """
        newest, oldest = now - GRACE, None if everything else now - WINDOW
        waiting = (
            upload
            for landed, upload in self._objects.landed(f"{LANDING}/")
            if landed <= newest and (oldest is None or landed >= oldest) and self._ledger.ingestion(upload) is None
        )
        # A run has the name of its upload: what is being ingested by now, or failed without a word, gets no second one.
        return [upload for upload in waiting if self._intake.start(upload)]
