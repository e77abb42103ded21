"""Uploads, and what became of them."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from headwater.aws import client, error_code
from headwater.client.errors import BadUpload, IngestionFailed
from headwater.client.stack import StackDescription
from headwater.client.waiting import wait_for
from headwater.lake.errors import FileRefused
from headwater.lake.store import Ledger
from headwater.lake.types import LANDING, Ingestion, Upload

RUNNING = frozenset({"RUNNING", "PENDING_REDRIVE"})
LARGEST_PUT = 5 * 1024**3
"""What S3 takes in one PutObject, bytes."""


class SentFile(BaseModel):
    """A file as it landed: this very version of it is ingested once."""

    model_config = ConfigDict(frozen=True)

    source: str
    file: str
    bucket: str
    key: str
    version_id: str
    size: int
    run_id: str
    """Name of the ingestion run that the upload starts."""

    @property
    def upload(self) -> Upload:
        """The upload as ingestion sees it, but for S3's sequencer, which only the event carries."""
        return Upload(bucket=self.bucket, key=self.key, version_id=self.version_id, size=self.size, sequencer="0")


def upload(stack: StackDescription, source: str, path: Path, name: str | None = None) -> SentFile:
    """Put the file under ``landing/<source>/``; that alone starts its ingestion.

    Raises
    ------
    BadUpload
        There is no such file, it is too large for one PutObject, or the source's name can't be a folder's.
    NotDeclared
        The stack has no such source.
    """
    if not path.is_file():
        raise BadUpload(f"{path} {'is a folder' if path.is_dir() else 'does not exist'}: give a file to upload")
    if not source or "/" in source:
        raise BadUpload(f"{source!r} can't be a source's name")
    stack.require_source(source)
    if (size := path.stat().st_size) > LARGEST_PUT:
        raise BadUpload(f"{path} has {size / 1024**3:.1f} GiB and S3 takes 5 in one upload: split it")
    file = name or path.name
    key = f"{LANDING}/{source}/{file}"
    with path.open("rb") as body:
        answer = client("s3").put_object(Bucket=stack.lake_bucket, Key=key, Body=body)
    landed = Upload(bucket=stack.lake_bucket, key=key, version_id=answer["VersionId"], size=size, sequencer="0")
    return SentFile(source=source, file=file, run_id=landed.id, **landed.model_dump(exclude={"sequencer"}))


def ingestions(stack: StackDescription, source: str | None = None) -> tuple[Ingestion, ...]:
    """What became of every upload to ``source``, or to any source; the newest first."""
    ledger = Ledger(stack.registry_table)
    found = [entry for name in ([source] if source else _sources(stack)) for entry in ledger.ingestions(name)]
    return tuple(sorted(found, key=lambda entry: entry.at, reverse=True))


def wait_for_ingestion(stack: StackDescription, sent: SentFile, timeout: float) -> Ingestion:
    """Wait until an upload's run is over: its rows are curated and the features that stand on them are online.

    Raises
    ------
    FileRefused
        It breaks its contract beyond the limit, or can't be read; none of its rows count.
    IngestionFailed
        The run failed for another reason.
    TookTooLong
        It isn't over within ``timeout`` seconds.
    """
    execution = f"{stack.ingestion_arn.replace(':stateMachine:', ':execution:')}:{sent.run_id}"
    steps = client("stepfunctions")

    def look() -> dict[str, object] | None:
        try:
            seen: dict[str, object] = steps.describe_execution(executionArn=execution)
        except steps.exceptions.ClientError as error:
            if error_code(error) == "ExecutionDoesNotExist":
                return None
            raise
        return None if seen["status"] in RUNNING else seen

    ended = wait_for(look, what=f"ingestion of {sent.key}", timeout=timeout)
    known = Ledger(stack.registry_table).ingestion(sent.upload)
    if ended["status"] == "SUCCEEDED" and known is not None:
        return known
    where = [f"headwater ingestions list {sent.source}"]
    if known is not None and known.quarantine is not None:
        where.append(f"rejected rows with their reasons: s3://{known.quarantine.bucket}/{known.quarantine.key}")
    kind = FileRefused if ended.get("error") == FileRefused.__name__ else IngestionFailed
    raise kind(f"{sent.file}: {_cause(ended, known)}", next_steps=where)


def _cause(ended: dict[str, object], known: Ingestion | None) -> str:
    if known is not None and known.reasons and known.curated is None:
        return known.reasons[0]
    cause = str(ended.get("cause") or "")
    try:
        told = json.loads(cause)
    except ValueError:
        told = None
    if isinstance(told, dict) and "errorMessage" in told:
        cause = str(told["errorMessage"])
    return f"{ended.get('error') or ended['status']}: {' '.join(cause.split()) or 'no cause was given'}"


def _sources(stack: StackDescription) -> list[str]:
    pages = (
        client("s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=stack.lake_bucket, Prefix=f"{LANDING}/", Delimiter="/")
    )
    return [folder["Prefix"].split("/")[1] for page in pages for folder in page.get("CommonPrefixes", ())]
