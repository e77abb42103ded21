"""A bucket that answers at once: what is left of a measurement is the client's work.

`Bucket` stands for botocore's S3 client, so that Headwater's own work is alone; `wire` puts the same bucket behind a
real client, whose HTTP requests are answered before they are sent, so that botocore's work is in it as well. With moto
one would measure moto. A bucket counts the CPU seconds that it took itself.
"""

from __future__ import annotations

import base64
import hashlib
import io
import threading
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError

from headwater import aws
from headwater.registry.store import RegistryStore, WriteRefused

LAKE = "lake"
PAGE = 1000
_WRITTEN = datetime(2026, 11, 1, tzinfo=UTC)


class Version(NamedTuple):
    """One version of an object."""

    id: str
    size: int
    sha256: str
    """Base64, as S3 gives it."""


class Contents(Protocol):
    """Objects of a place, sorted by path."""

    def __len__(self) -> int: ...

    def newest(self, place: int) -> tuple[str, Version]:
        """Path and newest version of the object at that place of the order."""

    def after(self, path: str) -> int:
        """The place of the first object after ``path``."""

    def get(self, path: str, version_id: str) -> Version | None:
        """That version; None if it is gone."""


class Files:
    """The objects that files became: a version is named by its bytes' checksum, and stays when another is written."""

    def __init__(self) -> None:
        self._versions: dict[tuple[str, str], Version] = {}
        self._newest: list[tuple[str, Version]] = []
        self._paths: list[str] = []

    def put(self, files: Mapping[str, Sequence[Any]]) -> None:
        """Make ``files``, path to (size, sha256), the newest; what isn't among them is deleted softly."""
        self._newest = [
            (path, Version(hashlib.md5(sha256.encode(), usedforsecurity=False).hexdigest(), size, sha256))
            for path, (size, sha256) in sorted(files.items())
        ]
        self._paths = [path for path, _ in self._newest]
        self._versions |= {(path, version.id): version for path, version in self._newest}

    def lose(self, path: str) -> None:
        """Delete the newest version for ever."""
        del self._versions[path, dict(self._newest)[path].id]

    def change(self, path: str) -> None:
        """Let the newest version hold other bytes of the same size, which S3 itself can't do."""
        version = dict(self._newest)[path]
        self._versions[path, version.id] = version._replace(sha256=checksum(b"changed" + path.encode()))

    def __len__(self) -> int:
        return len(self._newest)

    def newest(self, place: int) -> tuple[str, Version]:
        return self._newest[place]

    def after(self, path: str) -> int:
        return bisect_right(self._paths, path)

    def get(self, path: str, version_id: str) -> Version | None:
        return self._versions.get((path, version_id))


class Numbered:
    """As many objects as wanted, made up when asked for, so that they take no memory of the process measured."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def newest(self, place: int) -> tuple[str, Version]:
        path = f"day={place // 10_000:05d}/{place:09d}.parquet"
        return path, Version(hashlib.md5(path.encode()).hexdigest(), 1024 + place % 1024, checksum(path.encode()))  # noqa: S324

    def after(self, path: str) -> int:
        return int(path[10:19]) + 1 if path else 0

    def get(self, path: str, version_id: str) -> Version | None:
        version = self.newest(int(path[10:19]))[1]
        return version if version.id == version_id else None


def checksum(body: bytes) -> str:
    """SHA-256 as S3 writes it."""
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


class Bucket:
    """What `headwater.versions.store.Objects` asks of an S3 client.

    Parameters
    ----------
    contents : Contents
        What lies under ``prefix``.
    prefix : str
    scratch : Path
        Holds ranges, roots and commits: neither memory of the process measured.
    """

    def __init__(self, contents: Contents, prefix: str, scratch: Path) -> None:
        self.contents, self._prefix, self._scratch = contents, prefix, scratch
        self.calls: Counter[str] = Counter()
        self._kept: dict[str, Path] = {}
        self._seconds: dict[int, float] = {}

    @property
    def seconds(self) -> float:
        """CPU seconds spent in here, over all threads."""
        return sum(self._seconds.values())

    @contextmanager
    def _own(self, call: str) -> Iterator[None]:
        started, thread = time.thread_time(), threading.get_ident()
        self.calls[call] += 1
        try:
            yield
        finally:
            self._seconds[thread] = self._seconds.get(thread, 0.0) + time.thread_time() - started

    def get_bucket_versioning(self, **_: Any) -> dict[str, Any]:
        return {"Status": "Enabled"}

    def get_paginator(self, _operation: str) -> Bucket:
        return self

    def paginate(self, *, Prefix: str, **_: Any) -> Iterator[dict[str, Any]]:  # noqa: N803
        marker = ""
        while True:
            page = self.list_object_versions(Prefix=Prefix, KeyMarker=marker)
            yield page
            if not page["IsTruncated"]:
                return
            marker = page["NextKeyMarker"]

    def list_object_versions(self, *, Prefix: str, KeyMarker: str = "", **_: Any) -> dict[str, Any]:  # noqa: N803
        assert Prefix == self._prefix, f"nobody lists {Prefix!r} here"
        with self._own("list"):
            start = self.contents.after(KeyMarker[len(Prefix) :])
            end = min(start + PAGE, len(self.contents))
            found = []
            for place in range(start, end):
                path, version = self.contents.newest(place)
                found.append({"Key": Prefix + path, "VersionId": version.id, "Size": version.size, "IsLatest": True})
            last = found[-1]["Key"] if found else ""
            return {"Versions": found, "IsTruncated": end < len(self.contents), "NextKeyMarker": last}

    def head_object(self, *, Key: str, VersionId: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        with self._own("head"):
            version = self.contents.get(Key[len(self._prefix) :], VersionId)
            if version is None:
                raise ClientError({"Error": {"Code": "404", "Message": "Not Found"}}, "HeadObject")
            return {"ContentLength": version.size, "ChecksumSHA256": version.sha256, "VersionId": VersionId}

    def put_object(self, *, Key: str, Body: bytes, **_: Any) -> dict[str, Any]:  # noqa: N803
        with self._own("put"):
            if not Key.startswith(self._prefix):
                path = self._scratch / hashlib.sha256(Key.encode()).hexdigest()
                path.write_bytes(Body)
                self._kept[Key] = path
            return {"VersionId": hashlib.md5(Key.encode()).hexdigest()}  # noqa: S324

    def get_object(self, *, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        with self._own("get"):
            if Key not in self._kept:
                raise ClientError({"Error": {"Code": "NoSuchKey", "Message": Key}}, "GetObject")
            return {"Body": io.BytesIO(self._kept[Key].read_bytes())}


class Registry(RegistryStore):
    """The registry's table in memory, for one writer: refs take a few calls, whatever the size of the tree."""

    def __init__(self) -> None:
        self.table = "registry"
        self._items: dict[tuple[str, str], dict[str, Any]] = {}

    def get(self, pk: str, sk: str) -> dict[str, Any] | None:
        return self._items.get((pk, sk))

    def _query(self, pk: str, prefix: str, *, newest_first: bool, page_size: int) -> Iterator[dict[str, Any]]:  # noqa: ARG002
        found = sorted(key for key in self._items if key[0] == pk and key[1].startswith(prefix))
        return (self._items[key] for key in (reversed(found) if newest_first else found))

    def put(self, item: Mapping[str, Any], *, only_if: str = "", **_: Any) -> dict[str, Any]:
        return {"item": dict(item), "absent": only_if == "attribute_not_exists(pk)"}

    def check(self, pk: str, sk: str, *, only_if: str, **_: Any) -> dict[str, Any]:
        assert only_if == "attribute_not_exists(pk)"
        return {"item": {"pk": pk, "sk": sk}, "absent": True, "only": "check"}

    def transact(self, writes: Sequence[Mapping[str, Any]]) -> None:
        for write in writes:
            if write["absent"] and (write["item"]["pk"], write["item"]["sk"]) in self._items:
                raise WriteRefused(str(write))
        for write in writes:
            if "only" not in write:
                self._items[write["item"]["pk"], write["item"]["sk"]] = write["item"]


class Direct(aws.Clients):
    """Clients of which S3's is the bucket itself."""

    def __init__(self, bucket: Bucket) -> None:
        super().__init__()
        self._bucket = bucket

    def __call__(self, service: str) -> Any:
        return self._bucket if service == "s3" else super().__call__(service)


def wire(bucket: Bucket) -> aws.Clients:
    """Clients of which S3's is botocore's own: it validates, signs, retries and parses; ``bucket`` answers."""
    clients = aws.Clients(endpoint_url="http://s3.invalid")

    def answer(event_name: str, request: Any, **_: Any) -> AWSResponse:
        url = urlsplit(request.url)
        key = unquote(url.path[1:])
        key = key if url.netloc.startswith(f"{LAKE}.") else key.removeprefix(LAKE).removeprefix("/")
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        try:
            status, headers, body = _respond(bucket, event_name.rpartition(".")[2], key, asked, request)
        except ClientError as error:
            status, headers, body = 404, {}, f"<Error><Code>{error.response['Error']['Code']}</Code></Error>".encode()
        return AWSResponse(request.url, status, {"date": "Sun, 01 Nov 2026 00:00:00 GMT", **headers}, _Raw(body))

    clients("s3").meta.events.register_first("before-send.s3", answer)
    return clients


class _Raw(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def _respond(
    bucket: Bucket, operation: str, key: str, asked: Mapping[str, str], request: Any
) -> tuple[int, dict[str, str], bytes]:
    if operation == "GetBucketVersioning":
        return 200, {}, b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    if operation == "ListObjectVersions":
        page = bucket.list_object_versions(Prefix=asked["prefix"], KeyMarker=asked.get("key-marker", ""))
        with bucket._own("render"):
            return 200, {}, _listing(page)
    if operation == "HeadObject":
        seen = bucket.head_object(Key=key, VersionId=asked["versionId"])
        return 200, {
            "content-length": str(seen["ContentLength"]),
            "x-amz-checksum-sha256": seen["ChecksumSHA256"],
            "x-amz-version-id": asked["versionId"],
            "last-modified": "Sun, 01 Nov 2026 00:00:00 GMT",
            "etag": '"d41d8cd98f00b204e9800998ecf8427e"',
        }, b""  # fmt: skip
    if operation == "PutObject":
        body = request.body if isinstance(request.body, bytes) else request.body.read()
        return 200, {"x-amz-version-id": bucket.put_object(Key=key, Body=body)["VersionId"]}, b""
    assert operation == "GetObject", f"nobody asks for {operation} here"
    body = bucket.get_object(Key=key)["Body"].read()
    return 200, {"content-length": str(len(body))}, body


def _listing(page: Mapping[str, Any]) -> bytes:
    versions = "".join(
        f"<Version><ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>{item['Size']}</Size>"
        f"<ChecksumAlgorithm>SHA256</ChecksumAlgorithm><StorageClass>STANDARD</StorageClass>"
        f"<Key>{escape(item['Key'])}</Key><VersionId>{item['VersionId']}</VersionId><IsLatest>true</IsLatest>"
        f"<LastModified>{_WRITTEN:%Y-%m-%dT%H:%M:%S.000Z}</LastModified><Owner><ID>{'0' * 64}</ID></Owner></Version>"
        for item in page["Versions"]
    )
    more = f"<NextKeyMarker>{escape(page['NextKeyMarker'])}</NextKeyMarker>" if page["IsTruncated"] else ""
    return (
        f"<ListVersionsResult><IsTruncated>{str(page['IsTruncated']).lower()}</IsTruncated>"
        f"{more}<NextVersionIdMarker>null</NextVersionIdMarker>{versions}</ListVersionsResult>"
    ).encode()
