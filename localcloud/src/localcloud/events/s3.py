"""S3's own words for what happened to an object, where moto's events lack fields or misspell them.

After https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html: moto writes ``eTag``, a constant sequencer
and reasons such as ``ObjectCreated``.
"""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from typing import Any

from moto.s3.models import FakeDeleteMarker
from moto.s3.notifications import _detail_type

_REASONS = {
    "s3:ObjectCreated:Put": "PutObject",
    "s3:ObjectCreated:Post": "POST Object",
    "s3:ObjectCreated:Copy": "CopyObject",
    "s3:ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
    "s3:ObjectRemoved:Delete": "DeleteObject",
    "s3:ObjectRemoved:DeleteMarkerCreated": "DeleteObject",
}

_lock = threading.Lock()
_numbers = itertools.count(int(time.time()) << 32)


def next_sequencer() -> str:
    """A hexadecimal number that grows with each event, also from one start of the local cloud to the next."""
    with _lock:
        return f"{next(_numbers):018X}"


def object_event(event_name: str, bucket: Any, key: Any, *, account: str, sequencer: str) -> dict[str, Any]:
    """The EventBridge event of an S3 notification, but for its id and time.

    Parameters
    ----------
    event_name : str
        Such as ``"s3:ObjectCreated:Put"``.
    bucket, key
        Moto's bucket and key.
    """
    event_name = str(getattr(event_name, "value", event_name))
    described: dict[str, Any] = {"key": key.name, "sequencer": sequencer}
    is_marker = event_name == "s3:ObjectRemoved:DeleteMarkerCreated"
    if not is_marker and not isinstance(key, FakeDeleteMarker):
        described |= {"size": key.size, "etag": key.etag.replace('"', "")}
    if bucket.is_versioned and key.version_id:
        described["version-id"] = str(key.version_id)
    detail: dict[str, Any] = {
        "version": "0",
        "bucket": {"name": bucket.name},
        "object": described,
        "request-id": uuid.uuid4().hex[:16].upper(),
        "requester": account,
        "source-ip-address": "127.0.0.1",
    }
    if reason := _REASONS.get(event_name):
        detail["reason"] = reason
    if event_name.startswith("s3:ObjectRemoved"):
        described.pop("size", None)
        detail["deletion-type"] = "Delete Marker Created" if is_marker else "Permanently Deleted"
    return {
        "detail-type": _detail_type(event_name),
        "source": "aws.s3",
        "account": account,
        "region": bucket.region_name,
        "resources": [bucket.arn],
        "detail": detail,
    }


def with_order(record: dict[str, Any], bucket: Any, key: Any, sequencer: str) -> dict[str, Any]:
    """A direct notification's record with what moto leaves out: the version and the order of events."""
    described = record["Records"][0]["s3"]["object"]
    described["sequencer"] = sequencer
    if bucket.is_versioned and key.version_id:
        described["versionId"] = str(key.version_id)
    return record
