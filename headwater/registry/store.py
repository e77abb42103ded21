"""A run's files in S3; the only place of this package that calls AWS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from botocore.exceptions import ClientError
from pydantic import BaseModel, ValidationError

from headwater.registry.errors import ArtifactInvalid, ArtifactNotFound
from headwater.registry.types import Pointer
from headwater.storage.clients import client, error_code

V = TypeVar("V", bound=BaseModel)


class ArtifactStore:
    """The files of training runs, read by key (the newest version) or by `Pointer` (exactly that version)."""

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        self._s3 = client("s3")

    def read(self, pointer: Pointer) -> bytes:
        """The bytes that ``pointer`` names; raises `ArtifactNotFound` if they are gone."""
        return self._get({"Bucket": pointer.bucket, "Key": pointer.key, "VersionId": pointer.version_id})

    def load(self, pointer: Pointer, kind: type[V]) -> V:
        """The JSON that ``pointer`` names, read as ``kind``; raises `ArtifactInvalid` if it is none."""
        return _parse(self.read(pointer), kind, f"s3://{pointer.bucket}/{pointer.key}")

    def newest(self, key: str) -> Pointer:
        """What ``key`` was last written as; raises `ArtifactNotFound` if it never was."""
        answer = self._ask(self._s3.head_object, {"Bucket": self.bucket, "Key": key})
        return Pointer(bucket=self.bucket, key=key, version_id=answer["VersionId"])

    def load_newest(self, key: str, kind: type[V]) -> V:
        """The JSON under ``key`` as it was last written, read as ``kind``."""
        return _parse(self._get({"Bucket": self.bucket, "Key": key}), kind, f"s3://{self.bucket}/{key}")

    def _get(self, request: Mapping[str, str]) -> bytes:
        body: bytes = self._ask(self._s3.get_object, request)["Body"].read()
        return body

    def _ask(self, call: Callable[..., Any], request: Mapping[str, str]) -> Any:
        try:
            return call(**request)
        except ClientError as error:
            if error_code(error) in {"NoSuchKey", "NoSuchVersion", "NoSuchBucket", "404"}:
                raise ArtifactNotFound(
                    f"s3://{request['Bucket']}/{request['Key']} isn't there "
                    f"(version {request.get('VersionId', 'newest')}): {error_code(error)}"
                ) from error
            raise


def _parse(body: bytes, kind: type[V], where: str) -> V:
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, entry['loc'])) or 'the file'}: {entry['msg']}" for entry in error.errors()[:5]
        )
        raise ArtifactInvalid(f"{where} is no {kind.__name__}: {problems}") from error
