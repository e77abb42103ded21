"""Objects of a bucket that keeps versions, read and written whole."""

from __future__ import annotations

from collections.abc import Set
from typing import Any, BinaryIO

from botocore.exceptions import ClientError

from headwater.storage.clients import client, error_code
from headwater.values import Pointer

GONE = frozenset({"NoSuchKey", "NoSuchVersion", "InvalidArgument", "MethodNotAllowed", "404", "405"})
"""S3's codes for an object or version that doesn't exist; InvalidArgument: no version can have that id."""


class ObjectGone(Exception):
    """There is no such object or version; the message says which, and S3's code."""


class Bucket:
    """One bucket. A key means the object's newest version, a `Pointer` exactly that version, wherever it is.

    Parameters
    ----------
    name : str
    gone : set of str
        The codes that make an `ObjectGone`.
    """

    def __init__(self, name: str, *, gone: Set[str] = GONE) -> None:
        self.name = name
        self._gone = gone
        self._s3 = client("s3")

    def read(self, what: str | Pointer) -> bytes:
        """The bytes of an object; raises `ObjectGone`."""
        body: bytes = self.get(what)["Body"].read()
        return body

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
