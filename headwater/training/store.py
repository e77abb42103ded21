"""A run's files in the artifacts bucket: the only calls to AWS of this package."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from botocore.exceptions import ClientError
from pydantic import BaseModel, ValidationError

from headwater.registry.types import run_key
from headwater.storage.clients import Clients, error_code
from headwater.storage.objects import Bucket, ObjectGone
from headwater.training.types import FAILURE_FILE, Failure
from headwater.values import Pointer

V = TypeVar("V", bound=BaseModel)


class RunFiles:
    """A run's files under ``runs/<model>/<run id>/``."""

    def __init__(self, bucket: str, model: str, run_id: str, clients: Clients) -> None:
        self.bucket, self.model, self.run_id = bucket, model, run_id
        self._objects = Bucket(bucket, clients)

    def put(self, file: str, body: bytes) -> Pointer:
        """Store ``body`` as a new version of ``file``."""
        return self._objects.put(run_key(self.model, self.run_id, file), body)

    def put_value(self, file: str, value: BaseModel) -> Pointer:
        """Store ``value`` as JSON."""
        return self.put(file, value.model_dump_json(indent=2).encode())

    def put_first(self, file: str, value: V) -> tuple[V, Pointer]:
        """Store ``value`` unless there is one; what is there now, and where. Two writers get the same answer."""
        key = run_key(self.model, self.run_id, file)
        try:
            self._objects.put(key, value.model_dump_json(indent=2).encode(), IfNoneMatch="*")
        except ClientError as error:
            if error_code(error) not in {"PreconditionFailed", "ConditionalRequestConflict"}:
                raise
        # Read back in any case: refused, the one that is there may be our own, whose answer was lost.
        answer = self._objects.get(key)
        present = type(value).model_validate_json(answer["Body"].read())
        return present, Pointer(bucket=self.bucket, key=key, version_id=answer["VersionId"])

    def put_file(self, file: str, path: Path) -> Pointer:
        """Store the bytes at ``path``."""
        with path.open("rb") as body:
            return self._objects.put(run_key(self.model, self.run_id, file), body)

    def get(self, file: str) -> bytes | None:
        """The newest version of ``file``; None if there is none."""
        try:
            return self._objects.read(run_key(self.model, self.run_id, file))
        except ObjectGone:
            return None

    def get_value(self, file: str, kind: type[V]) -> V | None:
        """The JSON of ``file`` read as ``kind``; None if there is none or it isn't one."""
        body = self.get(file)
        try:
            return kind.model_validate_json(body) if body is not None else None
        except ValidationError:
            return None


def failure_of(bucket: str, model: str, run_id: str, clients: Clients) -> Failure | None:
    """Why a run's container gave up, in its own words; None if it left none. Step Functions has its exit code alone."""
    return RunFiles(bucket, model, run_id, clients).get_value(FAILURE_FILE, Failure)
