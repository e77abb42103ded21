"""Uploads and their ingestions."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Self

from headwater.client.connection import Connection, Verbs
from headwater.client.errors import AmbiguousUpload, BadTarget, BadUpload, IngestionFailed, UploadNotFound
from headwater.client.machines import Machine, reason_of
from headwater.client.quarantine import RejectedRow, first_rows, require_format, write_rows
from headwater.lake.errors import FileRefused
from headwater.lake.store import IngestionLog
from headwater.lake.types import LANDING, Ingestion, Upload
from headwater.values import Value
from headwater.versions.errors import VersionGone

SHORT = 12
"""Letters of an id that are shown; as many as of a commit's."""
NO_SOURCE = ""
"""The source of files outside every source's folder, as the registry records it."""
LARGEST_PUT = 5 * 1024**3
"""S3's limit of one PutObject, bytes."""


class SentFile(Value):
    """An uploaded file: this version of it is ingested once."""

    source: str
    file: str
    bucket: str
    key: str
    version_id: str
    """S3's id of the object's version."""
    size: int
    """Bytes."""
    run_id: str
    """Name of the ingestion run that the upload starts."""

    @classmethod
    def of(cls, source: str, file: str, upload: Upload) -> Self:
        """The file of an upload."""
        return cls(source=source, file=file, run_id=upload.id, **upload.model_dump(exclude={"sequencer"}))

    @property
    def upload(self) -> Upload:
        """The upload as the ingestion sees it, without S3's sequencer, which only the event carries."""
        return Upload(bucket=self.bucket, key=self.key, version_id=self.version_id, size=self.size, sequencer="0")


class IngestionView(Value):
    """An upload with all details of its ingestion."""

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


def upload(connection: Connection, source: str, path: Path, name: str | None = None) -> SentFile:
    """Put a file under ``landing/<source>/``, which starts its ingestion; see `headwater.client.Stack.upload`."""
    stack = connection.description
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
        answer = connection.clients("s3").put_object(Bucket=stack.lake_bucket, Key=key, Body=body)
    landed = Upload(bucket=stack.lake_bucket, key=key, version_id=answer["VersionId"], size=size, sequencer="0")
    return SentFile.of(source, file, landed)


class Ingestions(Verbs):
    """The verbs on ingestions of uploaded files; ``headwater.connect().ingestions``.

    An upload is named by its id (of the run or of the landed version; the first letters are enough), or by the key
    ``<source>/<file>``, which means the newest version.
    """

    def list(self, source: str | None = None) -> tuple[Ingestion, ...]:
        """The ingestion of every upload to ``source``, or to all sources; the newest first."""
        ingestion_log = IngestionLog(self._connection.table)
        names = [source] if source else [NO_SOURCE, *sorted({*self._folders(), *(self._description.sources or ())})]
        found = [entry for name in names for entry in ingestion_log.ingestions(name)]
        return tuple(sorted(found, key=lambda entry: entry.at, reverse=True))

    def show(self, name: str) -> IngestionView:
        """The details of one upload's ingestion, with its first rejected rows.

        Raises
        ------
        UploadNotFound, AmbiguousUpload
        """
        known = self._find(name)
        log = IngestionLog(self._connection.table)
        limits = {entry.digest: entry.declared.get("max_rejected") for entry in log.definitions(known.source)}
        again = [entry for entry in log.remade(known.source) if entry.upload == known.upload]
        rows: tuple[RejectedRow, ...] = ()
        count, unread = 0, ""
        if known.quarantine is not None:
            try:
                count, rows = first_rows(known.quarantine, self._connection.clients)
            except (BadTarget, VersionGone) as error:
                unread = error.message
        return IngestionView(
            id=known.upload.id,
            ingestion=known,
            rejected=rows,
            quarantined=count,
            limit=limits.get(known.definition),
            made_again=tuple(sorted(again, key=lambda entry: entry.at)),
            unread=unread,
        )

    def quarantine(self, name: str, path: str | Path) -> int:
        """Write an upload's quarantined rows to a CSV, Parquet or JSON lines file, by its suffix. Returns their number.

        Rows are as they landed, with ``row_number`` and ``reasons``; a line that is no row is in ``line``.

        Raises
        ------
        UploadNotFound, AmbiguousUpload
            There is no such upload, more than one, or it has no rows in quarantine.
        BadTarget
            The file can't be written.
        """
        known, path = self._find(name), Path(path)
        require_format(path)
        if known.quarantine is None:
            raise UploadNotFound(
                f"{known.source}/{known.file} has no rows in quarantine",
                next_steps=[f"headwater ingestions show {known.upload.id[:SHORT]}"],
            )
        return write_rows(known.quarantine, path, self._connection.clients)

    def wait(self, sent: SentFile, *, timeout: float = 900) -> Ingestion:
        """Wait until an uploaded file is ingested and the dependent features are online.

        Raises
        ------
        FileRefused
            The file breaks its contract beyond the limit, or can't be read; none of its rows count.
        IngestionFailed
            The run failed for another reason.
        TookTooLong
            The ingestion isn't over within ``timeout`` seconds.
        """
        machine = Machine(self._description.ingestion_arn, self._connection.clients)
        ended = machine.wait(sent.run_id, what=f"ingestion of {sent.key}", timeout=timeout)
        known = IngestionLog(self._connection.table).ingestion(sent.upload)
        if ended["status"] == "SUCCEEDED" and known is not None:
            return known
        where = [f"headwater ingestions show {sent.run_id[:SHORT]}"]
        if known is not None and known.quarantine is not None:
            where.append(f"headwater ingestions quarantine {sent.run_id[:SHORT]} --to rejected.csv")
        refused = known is not None and known.reasons and known.curated is None
        cause = known.reasons[0] if known is not None and refused else reason_of(ended)
        kind = FileRefused if ended.get("error") == FileRefused.__name__ else IngestionFailed
        raise kind(f"{sent.file}: {cause}", next_steps=where)

    def _find(self, name: str) -> Ingestion:
        every = self.list()
        wanted = name.removeprefix(f"s3://{self._description.lake_bucket}/").removeprefix(f"{LANDING}/")
        of_key = [entry for entry in every if entry.upload.key.removeprefix(f"{LANDING}/") == wanted]
        if of_key:
            return max(of_key, key=lambda entry: (entry.upload.order, entry.at))
        found = {
            entry.upload.id: entry
            for entry in every
            if name and (entry.upload.id.startswith(name) or entry.upload.version_id.startswith(name))
        }
        if len(found) > 1:
            first = islice(found.values(), 3)
            shown = ", ".join(f"{entry.upload.id[:SHORT]} ({entry.source}/{entry.file})" for entry in first)
            raise AmbiguousUpload(
                f"{len(found)} uploads begin with {name!r}: {shown}", next_steps=["give more letters"]
            )
        if not found:
            raise UploadNotFound(
                f"no upload has the id or key {name!r}",
                next_steps=["headwater ingestions list", "give an id of it, or SOURCE/FILE"],
            )
        return next(iter(found.values()))

    def _folders(self) -> set[str]:
        """Sources with a folder in the landing area, declared or not."""
        pages = self._connection.clients("s3").get_paginator("list_objects_v2")
        listed = pages.paginate(Bucket=self._description.lake_bucket, Prefix=f"{LANDING}/", Delimiter="/")
        return {folder["Prefix"].split("/")[1] for page in listed for folder in page.get("CommonPrefixes", ())}
