"""A run's files in S3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from headwater.registry.errors import ArtifactInvalid, ArtifactNotFound
from headwater.storage.clients import Clients
from headwater.storage.objects import GONE, Bucket, ObjectGone
from headwater.values import Pointer

V = TypeVar("V", bound=BaseModel)


class ArtifactStore:
    """The files of training runs, read by key (the newest version) or by `Pointer` (exactly that version)."""

    def __init__(self, bucket: str, clients: Clients) -> None:
        self.bucket = bucket
        self._objects = Bucket(bucket, clients, gone=GONE | {"NoSuchBucket"})

    def read(self, pointer: Pointer) -> bytes:
        """The bytes that ``pointer`` names; raises `ArtifactNotFound` if they are gone."""
        with _found():
            return self._objects.read(pointer)

    def load(self, pointer: Pointer, kind: type[V]) -> V:
        """The JSON that ``pointer`` names, read as ``kind``; raises `ArtifactInvalid` if it is none."""
        return _parse(self.read(pointer), kind, f"s3://{pointer.bucket}/{pointer.key}")

    def newest(self, key: str) -> Pointer:
        """The version that ``key`` was last written as; raises `ArtifactNotFound` if it never was."""
        with _found():
            return self._objects.newest(key)

    def load_newest(self, key: str, kind: type[V]) -> V:
        """The JSON under ``key`` as it was last written, read as ``kind``."""
        with _found():
            return _parse(self._objects.read(key), kind, f"s3://{self.bucket}/{key}")


@contextmanager
def _found() -> Iterator[None]:
    try:
        yield
    except ObjectGone as error:
        raise ArtifactNotFound(str(error)) from error


def _parse(body: bytes, kind: type[V], where: str) -> V:
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, entry['loc'])) or 'the file'}: {entry['msg']}" for entry in error.errors()[:5]
        )
        raise ArtifactInvalid(f"{where} is no {kind.__name__}: {problems}") from error
