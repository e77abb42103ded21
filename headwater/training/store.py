"""A run's files in the artifacts bucket and the executions of its state machine: the only boto3 of this package."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from botocore.exceptions import ClientError
from pydantic import BaseModel, ValidationError

from headwater.aws import client, error_code
from headwater.registry.types import Pointer, run_key

GONE = frozenset({"NoSuchKey", "404"})
UNKNOWN_RUN = frozenset({"ExecutionDoesNotExist", "InvalidArn"})
V = TypeVar("V", bound=BaseModel)


class RunFiles:
    """What a run reads and leaves behind under ``runs/<model>/<run id>/``."""

    def __init__(self, bucket: str, model: str, run_id: str) -> None:
        self.bucket, self.model, self.run_id = bucket, model, run_id
        self._s3 = client("s3")

    def put(self, file: str, body: bytes) -> Pointer:
        """Store ``body`` as a new version of ``file``."""
        key = run_key(self.model, self.run_id, file)
        answer = self._s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return Pointer(bucket=self.bucket, key=key, version_id=answer["VersionId"])

    def put_value(self, file: str, value: BaseModel) -> Pointer:
        """Store ``value`` as JSON."""
        return self.put(file, value.model_dump_json(indent=2).encode())

    def put_first(self, file: str, value: V) -> V:
        """Store ``value`` unless there is one already; what is there now. Two writers get the same answer."""
        key = run_key(self.model, self.run_id, file)
        body = value.model_dump_json(indent=2).encode()
        try:
            self._s3.put_object(Bucket=self.bucket, Key=key, Body=body, IfNoneMatch="*")
        except ClientError as error:
            if error_code(error) not in {"PreconditionFailed", "ConditionalRequestConflict"}:
                raise
        # Read back in any case: refused, the one that is there may be our own, whose answer was lost.
        return self.get_value(file, type(value)) or value

    def put_file(self, file: str, path: Path) -> Pointer:
        """Store the bytes at ``path``."""
        key = run_key(self.model, self.run_id, file)
        with path.open("rb") as body:
            answer = self._s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return Pointer(bucket=self.bucket, key=key, version_id=answer["VersionId"])

    def get(self, file: str) -> bytes | None:
        """The newest version of ``file``; None if there is none."""
        try:
            answer = self._s3.get_object(Bucket=self.bucket, Key=run_key(self.model, self.run_id, file))
        except ClientError as error:
            if error_code(error) in GONE:
                return None
            raise
        body: bytes = answer["Body"].read()
        return body

    def get_value(self, file: str, kind: type[V]) -> V | None:
        """The JSON of ``file`` read as ``kind``; None if there is none or it isn't one."""
        body = self.get(file)
        try:
            return kind.model_validate_json(body) if body is not None else None
        except ValidationError:
            return None


class ExecutionStore:
    """Executions of one state machine."""

    def __init__(self, arn: str) -> None:
        self.arn = arn
        self._stepfunctions = client("stepfunctions")

    def arn_of(self, name: str) -> str:
        """The ARN of the execution called ``name``."""
        return f"{self.arn.replace(':stateMachine:', ':execution:', 1)}:{name}"

    def start(self, name: str, given: Mapping[str, Any]) -> str:
        """Start an execution; its ARN."""
        answer = self._stepfunctions.start_execution(stateMachineArn=self.arn, name=name, input=json.dumps(given))
        return str(answer["executionArn"])

    def describe(self, name: str) -> dict[str, Any] | None:
        """What Step Functions says of an execution; None if there is none."""
        try:
            answer: dict[str, Any] = self._stepfunctions.describe_execution(executionArn=self.arn_of(name))
        except ClientError as error:
            if error_code(error) in UNKNOWN_RUN:
                return None
            raise
        return answer

    def list(self) -> Iterator[dict[str, Any]]:
        """All executions, the newest first, without input and output."""
        pages = self._stepfunctions.get_paginator("list_executions").paginate(stateMachineArn=self.arn)
        for page in pages:
            yield from page["executions"]

    def history(self, name: str) -> Iterator[dict[str, Any]]:
        """An execution's events, the oldest first."""
        pages = self._stepfunctions.get_paginator("get_execution_history").paginate(
            executionArn=self.arn_of(name), includeExecutionData=False
        )
        for page in pages:
            yield from page["events"]
