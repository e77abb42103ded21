"""Uploads and their ingestions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import BaseModel, ConfigDict

from headwater.client.errors import AmbiguousUpload, BadTarget, BadUpload, IngestionFailed, UploadNotFound
from headwater.client.stack import StackDescription
from headwater.client.waiting import wait_for
from headwater.lake.errors import FileRefused
from headwater.lake.store import IngestionLog, Objects
from headwater.lake.types import LANDING, Ingestion, Upload, cut
from headwater.storage.clients import client, error_code
from headwater.values import Pointer
from headwater.versions.errors import VersionGone

SHORT = 12
"""Letters of an id that are shown; as many as of a commit's."""
SHOWN_ROWS = 20
QUARANTINE_FORMATS = {
    ".csv": "FORMAT csv, HEADER",
    ".parquet": "FORMAT parquet",
    ".jsonl": "FORMAT json",
    ".ndjson": "FORMAT json",
}
RUNNING = frozenset({"RUNNING", "PENDING_REDRIVE"})
NO_SOURCE = ""
LARGEST_PUT = 5 * 1024**3
"""S3's limit of one PutObject, bytes."""


class SentFile(BaseModel):
    """An uploaded file: this version of it is ingested once."""

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
        """The upload as the ingestion sees it, without S3's sequencer, which only the event carries."""
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
    """The ingestion of every upload to ``source``, or to any source; the newest first."""
    ingestion_log = IngestionLog(stack.registry_table)
    # Files outside every source's folder are recorded under the empty name.
    names = [source] if source else [NO_SOURCE, *sorted({*_sources(stack), *(stack.sources or ())})]
    found = [entry for name in names for entry in ingestion_log.ingestions(name)]
    return tuple(sorted(found, key=lambda entry: entry.at, reverse=True))


def wait_for_ingestion(stack: StackDescription, sent: SentFile, timeout: float) -> Ingestion:
    """Wait until an upload's run is over: its rows are curated and the dependent features are online.

    Raises
    ------
    FileRefused
        The file breaks its contract beyond the limit, or can't be read; none of its rows count.
    IngestionFailed
        The run failed for another reason.
    TookTooLong
        The run isn't over within ``timeout`` seconds.
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
    known = IngestionLog(stack.registry_table).ingestion(sent.upload)
    if ended["status"] == "SUCCEEDED" and known is not None:
        return known
    where = [f"headwater ingestions show {sent.run_id[:SHORT]}"]
    if known is not None and known.quarantine is not None:
        where.append(f"headwater ingestions quarantine {sent.run_id[:SHORT]} --to rejected.csv")
    kind = FileRefused if ended.get("error") == FileRefused.__name__ else IngestionFailed
    raise kind(f"{sent.file}: {_cause(ended, known)}", next_steps=where)


class RejectedRow(BaseModel):
    """A row in quarantine."""

    model_config = ConfigDict(frozen=True)

    row: int
    """The row's number in the file, from 1."""
    reasons: tuple[str, ...]
    """Why the row was rejected, with the rejected values."""


class IngestionView(BaseModel):
    """An upload with all details of its ingestion."""

    model_config = ConfigDict(frozen=True)

    id: str
    """Names the upload and its run."""
    ingestion: Ingestion
    rejected: tuple[RejectedRow, ...] = ()
    """The first rows in quarantine, as many as are shown."""
    quarantined: int = 0
    """Number of all rows in quarantine."""
    limit: float | None = None
    """The share of rows that may be rejected; None if the used definition isn't known."""
    made_again: tuple[Ingestion, ...] = ()
    """Ingestions of the upload under later definitions, the newest last."""
    unread: str = ""
    """Why the rows in quarantine can't be shown here."""


def find(stack: StackDescription, name: str) -> Ingestion:
    """The ingestion with an id that begins with the given letters, or the newest of the key ``<source>/<file>``.

    Raises
    ------
    UploadNotFound, AmbiguousUpload
    """
    every = ingestions(stack)
    wanted = name.removeprefix(f"s3://{stack.lake_bucket}/").removeprefix(f"{LANDING}/")
    of_key = [entry for entry in every if entry.upload.key.removeprefix(f"{LANDING}/") == wanted]
    if of_key:
        return max(of_key, key=lambda entry: (entry.upload.order, entry.at))
    found = {
        entry.upload.id: entry
        for entry in every
        if name and (entry.upload.id.startswith(name) or entry.upload.version_id.startswith(name))
    }
    if len(found) > 1:
        shown = ", ".join(f"{key[:SHORT]} ({entry.source}/{entry.file})" for key, entry in list(found.items())[:3])
        raise AmbiguousUpload(f"{len(found)} uploads begin with {name!r}: {shown}", next_steps=["give more letters"])
    if not found:
        raise UploadNotFound(
            f"no upload has the id or key {name!r}",
            next_steps=["headwater ingestions list", "give an id of it, or SOURCE/FILE"],
        )
    return next(iter(found.values()))


def ingestion(stack: StackDescription, name: str) -> IngestionView:
    """The details of one upload."""
    known = find(stack, name)
    ingestion_log = IngestionLog(stack.registry_table)
    limits = {entry.digest: entry.declared.get("max_rejected") for entry in ingestion_log.definitions(known.source)}
    again = [entry for entry in ingestion_log.remade(known.source) if entry.upload == known.upload]
    rows: list[RejectedRow] = []
    count, unread = 0, ""
    if known.quarantine is not None:
        try:
            with reading(known.quarantine) as (connection, table):
                count = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - our own name
                found = connection.execute(
                    f"SELECT row_number, reasons FROM {table} ORDER BY 1 LIMIT {SHOWN_ROWS}"  # noqa: S608
                ).fetchall()
            rows = [RejectedRow(row=row, reasons=tuple(map(cut, reasons))) for row, reasons in found]
        except (BadTarget, VersionGone) as error:
            unread = error.message
    return IngestionView(
        id=known.upload.id,
        ingestion=known,
        rejected=tuple(rows),
        quarantined=count,
        limit=limits.get(known.definition),
        made_again=tuple(sorted(again, key=lambda entry: entry.at)),
        unread=unread,
    )


def write_quarantine(stack: StackDescription, name: str, path: Path) -> int:
    """Write an upload's quarantined rows to a local file. Returns their number."""
    known = find(stack, name)
    suffix = path.suffix.lower()
    if suffix not in QUARANTINE_FORMATS:
        raise BadTarget(f"{path}: its name must end with {', '.join(QUARANTINE_FORMATS)}")
    if known.quarantine is None:
        raise UploadNotFound(
            f"{known.source}/{known.file} has no rows in quarantine",
            next_steps=[f"headwater ingestions show {known.upload.id[:SHORT]}"],
        )
    with reading(known.quarantine) as (connection, table):
        columns = [row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()]
        if suffix == ".csv" and "reasons" in columns:
            # CSV has no lists.
            listed = f"SELECT * REPLACE (array_to_string(reasons, '; ') AS reasons) FROM {table}"  # noqa: S608
        else:
            listed = f"FROM {table}"
        made = path.with_name(f".{path.name}.part")
        try:
            connection.execute(f"COPY ({listed}) TO {literal(str(made))} ({QUARANTINE_FORMATS[suffix]})")
            made.replace(path)
        except (OSError, duckdb_error()) as error:
            made.unlink(missing_ok=True)
            raise BadTarget(f"{path} can't be written: {' '.join(str(error).split())}") from error
        count = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
    return int(count)


def duckdb_error() -> type[Exception]:
    """DuckDB's own error; only where it is installed."""
    import duckdb

    return duckdb.Error


@contextmanager
def reading(pointer: Pointer) -> Iterator[tuple[Any, str]]:
    """A database and the name of its table of a quarantine's rows.

    Raises
    ------
    BadTarget
        DuckDB isn't installed here.
    VersionGone
        Quarantined rows are kept for 180 days.
    """
    try:
        from headwater.lake.database import connect
    except ImportError as error:
        raise BadTarget(
            f"quarantined rows are read by DuckDB, which isn't installed: {error}",
            next_steps=["pip install 'headwater[data]'"],
        ) from error
    with TemporaryDirectory(prefix="headwater-quarantine-") as scratch:
        path = Path(scratch) / "rows.parquet"
        Objects(pointer.bucket).fetch(pointer, path)
        connection = connect(Path(scratch) / "spill")
        try:
            connection.execute(f"CREATE VIEW quarantined AS FROM read_parquet({literal(str(path))})")
            yield connection, "quarantined"
        finally:
            connection.close()


def literal(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"


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
