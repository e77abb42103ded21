"""Objects under a prefix of a bucket, by a role of its account: those that are new, or have changed, each as a file."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any

from botocore.exceptions import ClientError

from headwater.collecting.errors import CollectFailed
from headwater.collecting.types import Batch, Request
from headwater.declare import S3
from headwater.lake.types import SUFFIXES
from headwater.storage.clients import Clients, error_code
from headwater.storage.roles import client_as

MOST_OBJECTS = 500_000
"""Objects under the prefix that are remembered."""
KEPT_EACH = 50
"""Objects after which the memory is kept."""
_CHANGED = frozenset({"PreconditionFailed", "NoSuchKey", "412", "404"})


def read_bucket(reads: S3, request: Request, clients: Clients) -> Iterator[Batch]:
    """A batch for each object that hasn't landed as it is now, in the order of their keys; raises `CollectFailed`.

    The memory says which object landed with which ETag.
    """
    landed: dict[str, str] = json.loads(zlib.decompress(request.memory)) if request.memory else {}
    caller = f"headwater-{request.collector}"
    s3 = client_as("s3", reads.role_arn, clients, caller=caller, external_id=reads.external_id, region=reads.region)
    found = _listed(s3, reads)
    # Of objects that are gone nothing is remembered; one that comes back lands again, and replaces its file.
    landed = {key: etag for key, etag in landed.items() if key in found}
    unkept = 0
    for key, (etag, size) in found.items():
        if landed.get(key) == etag:
            continue
        if size > reads.max_object_bytes:
            raise CollectFailed(
                f"s3://{reads.bucket}/{key} has {size:,} bytes, more than max_object_bytes={reads.max_object_bytes:,}"
            )
        if (batch := _fetched(s3, reads, key, etag, size, request)) is not None:
            landed[key], unkept = etag, unkept + 1
            # What isn't remembered yet is fetched again after a crash, found to be what landed, and left out.
            yield batch
            if unkept == KEPT_EACH:
                unkept = 0
                yield _kept(landed, key)
    if unkept:
        yield _kept(landed, max(landed))


def _kept(landed: Mapping[str, str], last: str) -> Batch:
    memory = zlib.compress(json.dumps(landed).encode(), 6)
    return Batch(cursor={"objects": len(landed), "last": last, "sha256": sha256(memory).hexdigest()}, memory=memory)


def _listed(s3: Any, reads: S3) -> Mapping[str, tuple[str, int]]:
    """ETag and size of each object that counts, by key, in the order of the keys."""
    found: dict[str, tuple[str, int]] = {}
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=reads.bucket, Prefix=reads.prefix):
            for entry in page.get("Contents", ()):
                key = entry["Key"]
                if key.endswith("/") and not entry["Size"]:
                    continue
                if fnmatchcase(key.removeprefix(reads.prefix), reads.pattern):
                    found[key] = (entry["ETag"], entry["Size"])
            if len(found) > MOST_OBJECTS:
                raise CollectFailed(f"there are more than {MOST_OBJECTS:,} objects: declare a longer prefix")
    except ClientError as error:
        raise CollectFailed(f"s3://{reads.bucket}/{reads.prefix} can't be listed: {error_code(error)}") from None
    return dict(sorted(found.items()))


def _fetched(s3: Any, reads: S3, key: str, etag: str, size: int, request: Request) -> Batch | None:
    """The object as a batch's file; None if it has changed or gone since it was listed: the next run sees."""
    rest = key.removeprefix(reads.prefix).lstrip("/") or PurePosixPath(key).name
    stem, suffix = _parted(rest)
    if not suffix:
        raise CollectFailed(
            f"s3://{reads.bucket}/{key}: its name doesn't tell what it holds, expected one of {', '.join(SUFFIXES)}; a "
            "pattern such as '*.csv' leaves other objects out"
        )
    if size == 0:
        raise CollectFailed(f"s3://{reads.bucket}/{key} is empty")
    path = request.folder / "object"
    try:
        body = s3.get_object(Bucket=reads.bucket, Key=key, IfMatch=etag)["Body"]
        with path.open("wb") as file:
            while chunk := body.read(2**20):
                file.write(chunk)
    except ClientError as error:
        if error_code(error) in _CHANGED:
            return None
        raise CollectFailed(f"s3://{reads.bucket}/{key} can't be read: {error_code(error)}") from None
    return Batch(file=path, suffix=suffix, name=stem)


def _parted(name: str) -> tuple[str, str]:
    """A name without its suffix, and the suffix with that of gzip; no suffix if it is none of an upload's."""
    zipped = name[-3:] if name.lower().endswith(".gz") else ""
    inner = name.removesuffix(zipped)
    suffix = PurePosixPath(inner).suffix
    return (inner.removesuffix(suffix), f"{suffix}{zipped}") if suffix.lower() in SUFFIXES else (name, "")
