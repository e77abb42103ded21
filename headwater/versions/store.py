"""Versioned objects and their metadata in S3: the only S3 calls of this package. Refs use the registry's store."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from botocore.exceptions import ClientError

from headwater.storage.clients import Clients, error_code
from headwater.storage.http.connection import Answer, connection
from headwater.storage.objects import GONE
from headwater.versions import checksums
from headwater.versions.errors import BucketNotVersioned, HookRefused, NotPinnable, NotReadable, VersionGone
from headwater.versions.listing import Columns, answered_at, newest, pages, time_of
from headwater.versions.types import Entry

T = TypeVar("T")
R = TypeVar("R")

WORKERS = 16
"""S3 calls under way at once that carry bytes, each in a thread."""
_ASKING, _BATCH = 2, 64
"""Threads that ask S3 for objects' metadata, and requests of each thread at the same time."""
_WHOLE = 8 << 20
"""Bytes of an object that is read in one piece."""
DENIED = frozenset({"AccessDenied", "403", "Forbidden"})
_CHECKSUMS = [(algorithm, f"x-amz-checksum-{algorithm.lower()}") for algorithm in checksums.TRUSTED]
_WITH_CHECKSUMS = {"x-amz-checksum-mode": "ENABLED"}
_TAKEN = frozenset({"PreconditionFailed", "412"})
_CHUNK = 1 << 20


class Seen(NamedTuple):
    """S3's metadata of a version."""

    size: int
    checksums: Mapping[str, str]
    """Checksums that S3 keeps itself, by algorithm."""


class Stored(NamedTuple):
    """A version under a key, as gc sees it."""

    key: str
    version_id: str
    is_latest: bool
    is_marker: bool
    idle: timedelta
    """Age for gc: time since the version was replaced, or since it was written if it is the newest."""


def ordered(call: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """The answers of ``call`` in the order of ``items``, with a few calls under way at once and no more held."""
    return _concurrent(call, iter(items), WORKERS)


def together(call: Callable[[list[T]], list[R]], items: Iterable[T]) -> Iterator[R]:
    """The answers of ``call`` in the order of ``items``; each call gets several items."""
    coming = iter(items)
    batches = iter(lambda: list(islice(coming, _BATCH)), [])
    return chain.from_iterable(_concurrent(call, batches, _ASKING))


def _concurrent(call: Callable[[T], R], items: Iterator[T], workers: int) -> Iterator[R]:
    pending: deque[Future[R]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="versions") as pool:
        try:
            for item in items:
                pending.append(pool.submit(call, item))
                if len(pending) >= 4 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


class Objects:
    """Objects of a versioned bucket, and pinned versions wherever they are.

    Parameters
    ----------
    bucket : str
        The lake, which holds ranges, roots, commits and what is uploaded to branches.
    clients : Clients
    grace : timedelta
        Gc takes nothing younger; see decision 52.
    """

    def __init__(self, bucket: str, clients: Clients, grace: timedelta) -> None:
        self.bucket = bucket
        self.grace = grace
        self._s3 = clients("s3")
        self._wire = connection("s3", clients)
        self._versioned: set[str] = set()

    # -- immutable objects under versions/ ----------------------------------------------------------------------

    def keep(self, key: str, body: bytes) -> None:
        """Store ``body`` under ``key``, its content's name. On return the object exists and gc keeps it for a while.

        An existing object may be old enough for gc, so it is written again once half of its grace time has passed. The
        age comes from S3's own times: our clock doesn't matter.
        """
        while True:
            try:
                self._wire.request("PutObject", "PUT", self.bucket, key, body=body, headers={"if-none-match": "*"})
            except ClientError as error:
                if error_code(error) == "ConditionalRequestConflict":
                    continue
                if error_code(error) not in _TAKEN:
                    raise
            else:
                return
            # Taken, maybe by our own write, whose answer was lost: the same bytes in any case.
            try:
                seen = self._wire.request("HeadObject", "HEAD", self.bucket, key).headers
            except ClientError as error:
                if error_code(error) in GONE:
                    continue
                raise
            age = answered_at(seen.get("date")) - parsedate_to_datetime(seen["last-modified"])
            if age > self.grace / 2:
                self._wire.request("PutObject", "PUT", self.bucket, key, body=body)
            return

    def read(self, key: str) -> bytes | None:
        """The bytes under ``key``; None if there are none."""
        try:
            return self._wire.request("GetObject", "GET", self.bucket, key).body
        except ClientError as error:
            if error_code(error) in GONE:
                return None
            raise _denied(error, self.bucket, key) from error

    def names(self, prefix: str, limit: int) -> list[str]:
        """The first keys that start with ``prefix``."""
        answer = self._s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix, MaxKeys=limit)
        return [entry["Key"] for entry in answer.get("Contents", ())]

    def written(self, bucket: str, key: str) -> list[tuple[datetime, str]]:
        """When each version of one key was written, by S3's clock, and its id; oldest first."""
        pages = self._s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=key)
        found = [entry for page in pages for entry in page.get("Versions", ()) if entry["Key"] == key]
        # S3 lists a key's versions from the newest to the oldest; its times have whole seconds.
        return [(entry["LastModified"], entry["VersionId"]) for entry in reversed(found)]

    # -- pinned versions ----------------------------------------------------------------------------------------

    def check_versioned(self, bucket: str) -> None:
        """Raises `BucketNotVersioned` unless every write to ``bucket`` makes a version that stays."""
        if bucket in self._versioned:
            return
        status = self._s3.get_bucket_versioning(Bucket=bucket).get("Status")
        if status != "Enabled":
            raise BucketNotVersioned(
                f"bucket {bucket!r}: versioning is {(status or 'not enabled').lower()}, so its objects can't be pinned",
                next_steps=[
                    f"aws s3api put-bucket-versioning --bucket {bucket} --versioning-configuration Status=Enabled"
                ],
            )
        self._versioned.add(bucket)

    def newest(self, bucket: str, prefix: str, breaks: Sequence[str] = ()) -> Iterator[Columns]:
        """The live objects under ``prefix``; see `headwater.versions.listing.newest`."""
        return newest(self._wire, bucket, prefix, breaks)

    def pin(self, origin: str, path: str, version_id: str) -> Entry:
        """The entry of one version; see `pin_all`."""
        return self.pin_all(origin, [(path, version_id)])[0]

    def pin_all(self, origin: str, found: Sequence[tuple[str, str]]) -> list[Entry]:
        """The entries of versions (path, version id), with S3's checksum, or with one computed here if S3 has none.

        Raises
        ------
        VersionGone, NotReadable, NotPinnable
        """
        entries = [Entry(path, origin, version_id, 0, "", "") for path, version_id in found]
        for entry in entries:
            if entry.version_id == "null":
                raise NotPinnable(
                    f"s3://{entry.bucket}/{entry.key} was written before the bucket had versions: another write "
                    "replaces it",
                    next_steps=[
                        f"copy it onto itself: aws s3 cp s3://{entry.bucket}/{entry.key} s3://{entry.bucket}/{entry.key}"
                    ],
                )
        pinned = []
        for entry, seen in zip(entries, self.look(entries), strict=True):
            if isinstance(seen, Exception):
                raise seen
            pinned.append(self._with_checksum(entry._replace(size=seen.size), seen))
        return pinned

    def _with_checksum(self, entry: Entry, seen: Seen) -> Entry:
        for algorithm, value in seen.checksums.items():
            return entry._replace(checksum=value, algorithm=algorithm)
        return entry._replace(checksum=checksums.of(self.stream(entry)), algorithm=checksums.SHA256)

    def is_newest(self, entry: Entry) -> bool:
        """Whether a pinned version is the newest of its key."""
        try:
            seen = self._wire.request("HeadObject", "HEAD", entry.bucket, entry.key)
        except ClientError as error:
            if error_code(error) in GONE:
                return False
            raise _denied(error, entry.bucket, entry.key) from error
        return seen.headers.get("x-amz-version-id") == entry.version_id

    def look(self, entries: Sequence[Entry]) -> list[Seen | Exception]:
        """S3's metadata of pinned versions, in their order; `VersionGone` or `NotReadable` for versions without any."""
        found: dict[int, Seen | Exception] = {}
        for bucket in {entry.bucket for entry in entries}:
            places = [place for place, entry in enumerate(entries) if entry.bucket == bucket]
            asked = [(entries[place].key, [("versionId", entries[place].version_id)]) for place in places]
            answers = self._wire.request_all("HeadObject", "HEAD", bucket, asked, headers=_WITH_CHECKSUMS)
            for place, answer in zip(places, answers, strict=True):
                found[place] = (
                    self._missing(answer, entries[place]) if isinstance(answer, ClientError) else _seen(answer)
                )
        return [found[place] for place in range(len(entries))]

    def _missing(self, error: ClientError, entry: Entry) -> Exception:
        if error_code(error) == "400":
            # An answer to HEAD has no body to say why: no such version can be, or our credentials have expired.
            try:
                query, first = [("versionId", entry.version_id)], {"range": "bytes=0-0"}
                self._wire.request("GetObject", "GET", entry.bucket, entry.key, query=query, headers=first)
            except ClientError as told:
                error = told
        if error_code(error) in GONE:
            return VersionGone(f"s3://{entry.bucket}/{entry.key} has no version {entry.version_id} (any more)")
        return _denied(error, entry.bucket, entry.key)

    def stream(self, entry: Entry, part: int | None = None) -> Iterator[bytes]:
        """The bytes of a pinned version, or of one of the parts it was uploaded in."""
        if entry.size <= _WHOLE:
            query = [] if part is None else [("partNumber", str(part))]
            query.append(("versionId", entry.version_id))
            try:
                yield self._wire.request("GetObject", "GET", entry.bucket, entry.key, query=query).body
            except ClientError as error:
                raise self._missing(error, entry) from error
            return
        more = {} if part is None else {"PartNumber": part}
        try:
            body = self._s3.get_object(Bucket=entry.bucket, Key=entry.key, VersionId=entry.version_id, **more)["Body"]
        except ClientError as error:
            raise self._missing(error, entry) from error
        yield from body.iter_chunks(_CHUNK)

    # -- what is staged -----------------------------------------------------------------------------------------

    def put(self, origin: str, path: str, file: Path) -> Entry:
        """Upload a file as the newest version of its key."""
        bucket, _, prefix = origin.partition("/")
        size = file.stat().st_size
        if size > checksums.PART_BYTES:
            return self._put_parts(origin, path, file, size)
        body = file.read_bytes()
        digest = hashlib.sha256(body)
        checksum = checksums.text(digest.digest())
        headers = {
            "x-amz-content-sha256": digest.hexdigest(),
            "x-amz-checksum-sha256": checksum,
            "x-amz-sdk-checksum-algorithm": "SHA256",
        }
        answer = self._wire.request("PutObject", "PUT", bucket, prefix + path, headers=headers, body=body)
        return Entry(path, origin, answer.headers["x-amz-version-id"], len(body), checksum, checksums.SHA256)

    def _put_parts(self, origin: str, path: str, file: Path, size: int) -> Entry:
        bucket, _, prefix = origin.partition("/")
        where: dict[str, Any] = {"Bucket": bucket, "Key": prefix + path}
        where["UploadId"] = self._s3.create_multipart_upload(
            **where, ChecksumAlgorithm="SHA256", ChecksumType="COMPOSITE"
        )["UploadId"]
        done, digests = [], []
        try:
            for number, body in enumerate(checksums.file_parts(file), start=1):
                digests.append(hashlib.sha256(body).digest())
                checksum = checksums.text(digests[-1])
                answer = self._s3.upload_part(
                    **where, PartNumber=number, Body=body, ChecksumSHA256=checksum, ChecksumAlgorithm="SHA256"
                )
                done.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum})
            whole = self._s3.complete_multipart_upload(**where, MultipartUpload={"Parts": done})
        except BaseException:
            self._s3.abort_multipart_upload(**where)
            raise
        return Entry(path, origin, whole["VersionId"], size, checksums.of_parts(digests), checksums.SHA256)

    # -- gc -----------------------------------------------------------------------------------------------------

    def stored(self, prefix: str) -> Iterator[Stored]:
        """Every version under ``prefix`` of the lake, newest first among those of one key."""
        last, newer = None, None
        for page in pages(self._wire, self.bucket, prefix):
            rows = list(zip(page.paths, page.version_ids, page.latest, page.kinds, page.written, strict=True))
            # S3 lists the versions of a key newest first, but markers may be apart. Sorting is stable.
            rows.sort(key=lambda row: row[4], reverse=True)
            rows.sort(key=lambda row: (row[0], not row[2]))
            for path, version_id, is_latest, kind, at in rows:
                newer, written = newer if path == last else None, time_of(at)
                idle = page.answered - (newer or written)
                last, newer = path, written
                yield Stored(prefix + path, version_id, is_latest, kind == "DeleteMarker", idle)

    def delete(self, key: str, version_id: str) -> None:
        """Delete one version for ever; a missing version is no error."""
        self._wire.request("DeleteObject", "DELETE", self.bucket, key, query=[("versionId", version_id)])


class Functions:
    """Lambda functions."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def invoke(self, arn: str, message: Mapping[str, Any]) -> Any:
        """A function's answer to ``message``; raises `HookRefused` if the function fails."""
        answer = self._clients("lambda").invoke(FunctionName=arn, Payload=json.dumps(message).encode())
        said = json.loads(answer["Payload"].read() or b"null")
        if answer.get("FunctionError"):
            raise HookRefused(f"{arn} failed: {said.get('errorMessage') if isinstance(said, dict) else said}")
        return said


def _seen(answer: Answer) -> Seen:
    headers = answer.headers
    return Seen(int(headers["content-length"]), {name: headers[one] for name, one in _CHECKSUMS if one in headers})


def _denied(error: ClientError, bucket: str, key: str) -> Exception:
    if error_code(error) in DENIED:
        return NotReadable(f"not allowed to read s3://{bucket}/{key}; nothing was changed")
    return error
