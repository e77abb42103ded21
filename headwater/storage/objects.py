"""Objects of a bucket that keeps versions, read and written whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from botocore.exceptions import ClientError

from headwater.storage.clients import Clients, error_code
from headwater.storage.http.connection import Answer, connection
from headwater.values import Pointer

T = TypeVar("T")

GONE = frozenset({"NoSuchKey", "NoSuchVersion", "InvalidArgument", "MethodNotAllowed", "404", "405"})
"""S3's codes for an object or version that doesn't exist; InvalidArgument: no version can have that id."""
_TOGETHER = 64
"""Objects that are read at once."""


class ObjectGone(Exception):
    """There is no such object or version; the message says which, and S3's code."""


class Bucket:
    """One bucket. A key means the object's newest version, a `Pointer` exactly that version, wherever it is.

    Parameters
    ----------
    name : str
    clients : Clients
    gone : set of str
        The codes that make an `ObjectGone`.
    """

    def __init__(self, name: str, clients: Clients, *, gone: Set[str] = GONE) -> None:
        self.name = name
        self._gone = gone
        self._s3, self._wire = clients("s3"), connection("s3", clients)

    def read(self, what: str | Pointer) -> bytes:
        """The bytes of an object; raises `ObjectGone`."""
        body: bytes = self.get(what)["Body"].read()
        return body

    def read_all(self, wanted: Iterable[T], key: Callable[[T], str]) -> Iterator[tuple[T, Answer]]:
        """S3's answer to GetObject for each of ``wanted``, many read at once; those that are gone are left out."""
        coming = iter(wanted)
        while some := list(islice(coming, _TOGETHER)):
            answers = self._wire.request_all("GetObject", "GET", self.name, [(key(one), ()) for one in some])
            for one, answer in zip(some, answers, strict=True):
                if not isinstance(answer, ClientError):
                    yield one, answer
                elif error_code(answer) not in self._gone:
                    raise answer

    def fetch(self, what: str | Pointer, path: Path) -> bool:
        """Write the bytes of an object to a file; False if it is gone."""
        try:
            self.download(what, path)
        except ObjectGone:
            return False
        return True

    def download(self, what: str | Pointer, path: Path) -> dict[str, Any]:
        """Write the bytes of an object to a file, a piece at a time; S3's answer. Raises `ObjectGone`."""
        answer = self.get(what)
        with path.open("wb") as file:
            for chunk in answer["Body"].iter_chunks(1 << 20):
                file.write(chunk)
        return answer

    def get(self, what: str | Pointer, **more: Any) -> dict[str, Any]:
        """S3's answer to GetObject, its ``Body`` unread; raises `ObjectGone`."""
        return self._ask(self._s3.get_object, what, more)

    def head(self, what: str | Pointer) -> dict[str, Any]:
        """S3's metadata of an object; raises `ObjectGone`."""
        return self._ask(self._s3.head_object, what, {})

    def newest(self, key: str) -> Pointer:
        """The newest version of ``key``; raises `ObjectGone`."""
        return Pointer(bucket=self.name, key=key, version_id=self.head(key)["VersionId"])

    def put(self, key: str, body: bytes | BinaryIO, **more: Any) -> Pointer:
        """Store ``body`` as a new version of ``key``, with a checksum that stands for it: a commit needn't read it."""
        answer = self._s3.put_object(Bucket=self.name, Key=key, Body=body, ChecksumAlgorithm="SHA256", **more)
        return Pointer(bucket=self.name, key=key, version_id=answer["VersionId"])

    def listed(self, prefix: str, *, after: str = "") -> Iterator[dict[str, Any]]:
        """S3's entry of each object under ``prefix`` whose key is greater than ``after``, by key."""
        asked = {"Bucket": self.name, "Prefix": prefix} | ({"StartAfter": after} if after else {})
        for page in self._s3.get_paginator("list_objects_v2").paginate(**asked):
            yield from page.get("Contents", ())

    def folders(self, prefix: str) -> list[str]:
        """The names directly below ``prefix`` that have something below them, sorted."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix, Delimiter="/")
        return [entry["Prefix"][len(prefix) : -1] for page in pages for entry in page.get("CommonPrefixes", ())]

    def forget(self, key: str) -> None:
        """Delete every version of an object."""
        for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=self.name, Prefix=key):
            for entry in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                if entry["Key"] == key:
                    self._s3.delete_object(Bucket=self.name, Key=key, VersionId=entry["VersionId"])

    def _ask(self, call: Any, what: str | Pointer, more: dict[str, Any]) -> dict[str, Any]:
        where = {"Bucket": self.name, "Key": what}
        if isinstance(what, Pointer):
            where = {"Bucket": what.bucket, "Key": what.key, "VersionId": what.version_id}
        try:
            answer: dict[str, Any] = call(**where, **more)
        except ClientError as error:
            if error_code(error) not in self._gone:
                raise
            raise ObjectGone(
                f"s3://{where['Bucket']}/{where['Key']} isn't there (version {where.get('VersionId', 'newest')}): "
                f"{error_code(error)}"
            ) from error
        return answer
