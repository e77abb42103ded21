"""Versioned objects and what S3 knows of them: the only S3 calls of this package. Refs use the registry's store."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from botocore.exceptions import ClientError

from headwater.aws import client, error_code
from headwater.versions import checksums
from headwater.versions.errors import BucketNotVersioned, HookRefused, NotPinnable, NotReadable, VersionGone
from headwater.versions.types import Entry

T = TypeVar("T")
R = TypeVar("R")

WORKERS = 10
"""S3 calls under way at once: as many connections as botocore keeps."""
GONE = frozenset({"NoSuchVersion", "NoSuchKey", "404", "405", "MethodNotAllowed", "InvalidArgument", "400"})
DENIED = frozenset({"AccessDenied", "403", "Forbidden"})
_TAKEN = frozenset({"PreconditionFailed", "412"})
_CHUNK = 1 << 20


class Listed(NamedTuple):
    """The newest version under a key."""

    key: str
    version_id: str | None
    """None if the key was deleted: its newest version is a delete marker."""
    size: int


class Stored(NamedTuple):
    """Any version under a key, as gc sees it."""

    key: str
    version_id: str
    is_latest: bool
    is_marker: bool
    idle: timedelta
    """How long nobody has needed it as the newest: since it was written or, if a newer one is there, since that was."""


def ordered(call: Callable[[T], R], items: Iterable[T], workers: int = WORKERS) -> Iterator[R]:
    """The answers of ``call`` in the order of ``items``, with a few calls under way at once and no more held."""
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
    grace : timedelta
        Gc takes nothing younger; see decision 52.
    """

    def __init__(self, bucket: str, grace: timedelta) -> None:
        self.bucket = bucket
        self.grace = grace
        self._s3 = client("s3")
        self._versioned: set[str] = set()
        self._lock = threading.Lock()

    # -- immutable objects under versions/ ----------------------------------------------------------------------

    def keep(self, key: str, body: bytes) -> None:
        """Store ``body`` under ``key``, which is named by it; on return it is there and gc lets it be for a while.

        One that is there already may be old and about to be collected, so it is written again when it has used up half
        of its grace time. Both ages are S3's own words: no clock of ours counts.
        """
        while True:
            try:
                self._s3.put_object(Bucket=self.bucket, Key=key, Body=body, IfNoneMatch="*")
            except ClientError as error:
                if error_code(error) == "ConditionalRequestConflict":
                    continue
                if error_code(error) not in _TAKEN:
                    raise
            else:
                return
            # Taken, maybe by our own write, whose answer was lost: the same bytes in any case.
            try:
                seen = self._s3.head_object(Bucket=self.bucket, Key=key)
            except ClientError as error:
                if error_code(error) in GONE:
                    continue
                raise
            if answered_at(seen) - seen["LastModified"] > self.grace / 2:
                self._s3.put_object(Bucket=self.bucket, Key=key, Body=body)
            return

    def read(self, key: str) -> bytes | None:
        """The bytes under ``key``; None if there are none."""
        try:
            body: bytes = self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error_code(error) in GONE:
                return None
            raise _denied(error, self.bucket, key) from error
        return body

    def names(self, prefix: str, limit: int) -> list[str]:
        """The first keys that start with ``prefix``."""
        answer = self._s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix, MaxKeys=limit)
        return [entry["Key"] for entry in answer.get("Contents", ())]

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

    def newest(self, bucket: str, prefix: str) -> Iterator[Listed]:
        """The newest version of each key under ``prefix``, deleted ones included, in the order of the keys."""
        pages = self._s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
        with ThreadPoolExecutor(1, thread_name_prefix="listing") as ahead:
            iterator = iter(pages)
            coming = ahead.submit(next, iterator, None)
            while (page := coming.result()) is not None:
                coming = ahead.submit(next, iterator, None)
                found = [
                    Listed(item["Key"], item["VersionId"], item["Size"])
                    for item in page.get("Versions", ())
                    if item["IsLatest"]
                ]
                gone = [Listed(item["Key"], None, 0) for item in page.get("DeleteMarkers", ()) if item["IsLatest"]]
                yield from sorted(found + gone) if gone else found

    def pin(self, origin: str, path: str, version_id: str, size: int | None = None) -> Entry:
        """The entry of one version: with S3's own checksum, or if it has none, one that is computed once.

        Raises
        ------
        VersionGone, NotReadable, NotPinnable
        """
        bucket, _, prefix = origin.partition("/")
        if version_id == "null":
            raise NotPinnable(
                f"s3://{bucket}/{prefix}{path} was written before the bucket had versions: another write replaces it",
                next_steps=[
                    f"copy it onto itself: aws s3 cp s3://{bucket}/{prefix}{path} s3://{bucket}/{prefix}{path}"
                ],
            )
        entry = Entry(path, origin, version_id, size or 0, "", "")
        seen = self.head(entry)
        entry = entry._replace(size=seen["ContentLength"])
        for algorithm in checksums.TRUSTED:
            if value := seen.get(f"Checksum{algorithm}"):
                return entry._replace(checksum=value, algorithm=algorithm)
        return entry._replace(checksum=checksums.of(self.stream(entry)), algorithm=checksums.SHA256)

    def is_newest(self, entry: Entry) -> bool:
        """Whether a pinned version is the newest of its key."""
        try:
            seen = self._s3.head_object(Bucket=entry.bucket, Key=entry.key)
        except ClientError as error:
            if error_code(error) in GONE:
                return False
            raise _denied(error, entry.bucket, entry.key) from error
        return bool(seen["VersionId"] == entry.version_id)

    def head(self, entry: Entry) -> Mapping[str, Any]:
        """What S3 says of a pinned version; raises `VersionGone` or `NotReadable`."""
        seen: Mapping[str, Any] = self._pinned(self._s3.head_object, entry, ChecksumMode="ENABLED")
        return seen

    def stream(self, entry: Entry, part: int | None = None) -> Iterator[bytes]:
        """The bytes of a pinned version, or of one of the parts it was uploaded in."""
        body = self._pinned(self._s3.get_object, entry, **({} if part is None else {"PartNumber": part}))["Body"]
        yield from body.iter_chunks(_CHUNK)

    def _pinned(self, call: Callable[..., Any], entry: Entry, **more: Any) -> Any:
        try:
            return call(Bucket=entry.bucket, Key=entry.key, VersionId=entry.version_id, **more)
        except ClientError as error:
            if error_code(error) in GONE:
                raise VersionGone(
                    f"s3://{entry.bucket}/{entry.key} has no version {entry.version_id} (any more)"
                ) from error
            raise _denied(error, entry.bucket, entry.key) from error

    # -- what is staged -----------------------------------------------------------------------------------------

    def put(self, origin: str, path: str, file: Path) -> Entry:
        """Upload a file as the newest version of its key."""
        bucket, _, prefix = origin.partition("/")
        where, size = {"Bucket": bucket, "Key": prefix + path}, file.stat().st_size
        if size > checksums.PART_BYTES:
            return self._put_parts(origin, path, file, size)
        body = file.read_bytes()
        checksum = checksums.text(hashlib.sha256(body).digest())
        answer = self._s3.put_object(**where, Body=body, ChecksumSHA256=checksum, ChecksumAlgorithm="SHA256")
        return Entry(path, origin, answer["VersionId"], len(body), checksum, checksums.SHA256)

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
        key, newer = "", None
        for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=prefix):
            now = answered_at(page)
            found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            # S3 lists the versions of a key newest first, but markers apart. Sorting is stable.
            found.sort(key=lambda seen: seen["LastModified"], reverse=True)
            found.sort(key=lambda seen: (seen["Key"], not seen["IsLatest"]))
            for seen in found:
                newer = newer if seen["Key"] == key else None
                idle = now - (newer or seen["LastModified"])
                key, newer = seen["Key"], seen["LastModified"]
                yield Stored(key, seen["VersionId"], seen["IsLatest"], "Size" not in seen, idle)

    def delete(self, key: str, version_id: str) -> None:
        """Delete one version for ever; one that is gone already is as well."""
        self._s3.delete_object(Bucket=self.bucket, Key=key, VersionId=version_id)


class Functions:
    """Lambda functions, asked with the clients that were in use when this was made."""

    def __init__(self) -> None:
        self._context = copy_context()

    def invoke(self, arn: str, message: Mapping[str, Any]) -> Any:
        """What a function answers to ``message``; raises `HookRefused` if it fails."""
        functions = self._context.run(client, "lambda")
        answer = functions.invoke(FunctionName=arn, Payload=json.dumps(message).encode())
        said = json.loads(answer["Payload"].read() or b"null")
        if answer.get("FunctionError"):
            raise HookRefused(f"{arn} failed: {said.get('errorMessage') if isinstance(said, dict) else said}")
        return said


def answered_at(answer: Mapping[str, Any]) -> datetime:
    """When S3 answered, by its own clock."""
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return parsedate_to_datetime(date).astimezone(UTC) if date else datetime.now(UTC)


def _denied(error: ClientError, bucket: str, key: str) -> Exception:
    if error_code(error) in DENIED:
        return NotReadable(f"not allowed to read s3://{bucket}/{key}; nothing was changed")
    return error
