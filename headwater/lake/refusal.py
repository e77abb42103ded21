"""Records failed ingestions, and shortens the cause of a failed state to one line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from headwater.lake.store import IngestionLog
from headwater.lake.types import Ingestion, IngestionStatus, Upload, dataset_of
from headwater.storage.table import Table
from headwater.values import Value
from headwater.versions.refs import Refs

LONGEST_CAUSE = 2000


class Refusal(Value):
    """A failure as Step Functions describes it."""

    error: str
    cause: str


class Refusals:
    """Records why files were refused.

    Parameters
    ----------
    table : Table
        The registry table.
    now : callable
        The time, UTC.
    """

    def __init__(self, table: Table, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._ingestion_log = IngestionLog(table)
        self._store = table
        self._now = now

    def record(self, upload: Upload, *, error: Mapping[str, Any]) -> Refusal:
        """Record in the registry why ``upload`` failed, unless the ingestion has recorded it.

        An ingestion records its own refusals, in more detail than its task's failure has. A task that dies without a
        record (out of memory, out of time) is recorded here. If the task died after its rows were committed, the rows
        count, and the registry says so.

        Parameters
        ----------
        upload : Upload
        error : mapping
            ``Error`` and ``Cause`` as a Catch hands them on.
        """
        known = self._ingestion_log.ingestion(upload)
        if known is not None and known.status is IngestionStatus.REFUSED and known.reasons:
            return Refusal(error="FileRefused", cause=known.reasons[0])
        name, cause = str(error.get("Error", "")), one_line(error.get("Cause"))
        cause = cause or "the ingestion stopped without saying why"
        refusal = Refusal(error=name or "IngestionFailed", cause=cause)
        if known is not None and known.status is IngestionStatus.INGESTED:
            made = Refs(self._store, dataset_of(upload.source)).made(upload.id)
            if made is not None:
                self._ingestion_log.record(known.model_copy(update={"commit": made.to}))
                return refusal
        self._ingestion_log.record(
            Ingestion(
                source=upload.source,
                file=upload.file,
                upload=upload,
                status=IngestionStatus.REFUSED,
                reasons=(f"{name}: {cause}" if name else cause,),
                at=self._now(),
            )
        )
        return refusal


def one_line(cause: Any) -> str:
    """The cause of a failed state in one line: a function's exception, a container's or job's end, or the text
    itself."""
    try:
        told = json.loads(cause)
    except (TypeError, ValueError):
        told = None
    text = str(cause or "")
    if isinstance(told, Mapping):
        if "errorMessage" in told:
            text = str(told["errorMessage"])
        elif details := told.get("StateDetails"):
            text = str(details)
        elif containers := told.get("Containers") or told.get("containers"):
            text = "; ".join(_ending(container) for container in containers)
            reason = told.get("StoppedReason") or told.get("stoppedReason")
            text = f"{text} ({reason})" if reason else text
    return " ".join(text.split())[:LONGEST_CAUSE]


def _ending(container: Mapping[str, Any]) -> str:
    low = {str(name).lower(): value for name, value in container.items()}
    ending = f"container {low.get('name')} exited with code {low.get('exitcode', 'unknown')}"
    return f"{ending}: {low['reason']}" if low.get("reason") else ending
