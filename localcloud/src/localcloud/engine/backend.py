"""Where the state lives: a bucket with the layout of Pulumi's own backend, so that the real CLI reads it."""

from __future__ import annotations

import getpass
import json
import os
import platform
import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import psutil
from botocore.exceptions import BotoCoreError, ClientError

from localcloud.engine.bucket import BUCKET, make_bucket
from localcloud.engine.errors import StateError
from localcloud.provider.aws import Aws

_STACKS = ".pulumi/stacks/"


class BucketBackend:
    """The backend in the S3 bucket ``state``; the bucket is made, versioned and encrypted, if it isn't there.

    Parameters
    ----------
    aws : Aws
        The cloud.
    project, stack : str
        Whose state.
    """

    def __init__(self, aws: Aws, project: str, stack: str) -> None:
        self._s3 = aws.client("s3")
        self._stack = f"{_STACKS}{project}/{stack}.json"
        self._history = f".pulumi/history/{project}/{stack}/{stack}"
        self._locks = f".pulumi/locks/organization/{project}/{stack}/"
        self._lock = ""
        self._region = aws.region

    def prepare(self) -> None:
        """Make the bucket if it isn't there."""
        try:
            self._s3.head_bucket(Bucket=BUCKET)
        except ClientError:
            make_bucket(self._s3, self._region)
            self._put(".pulumi/meta.yaml", b"version: 1\n")
        except BotoCoreError as error:
            raise StateError(f"the cloud doesn't answer: {error}") from error

    def load(self) -> Any | None:
        """The checkpoint as last saved; None if there is no such stack."""
        try:
            body = self._s3.get_object(Bucket=BUCKET, Key=self._stack)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket", "404"):
                return None
            raise StateError(f"the stack's state can't be read: {error}") from error
        except BotoCoreError as error:
            raise StateError(f"the cloud doesn't answer: {error}") from error
        try:
            return json.loads(body)
        except ValueError as error:
            raise StateError(f"s3://{BUCKET}/{self._stack} isn't JSON: {error}") from error

    def save(self, checkpoint: Mapping[str, Any]) -> None:
        """Replace the checkpoint."""
        self._put(self._stack, json.dumps(checkpoint).encode())

    def record(self, update: Mapping[str, Any], checkpoint: Mapping[str, Any]) -> None:
        """Add an update to the history; first what happened, then the checkpoint, as Pulumi does."""
        name = f"{self._history}-{time.time_ns()}"
        self._put(f"{name}.history.json", json.dumps(update).encode())
        self._put(f"{name}.checkpoint.json", json.dumps(checkpoint).encode())

    def others(self) -> Iterator[tuple[str, Any]]:
        """The other stacks of the bucket, as ``<project>/<stack>``, and their checkpoints."""
        try:
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=_STACKS)
            keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
            for key in keys:
                if key.endswith(".json") and key != self._stack:
                    yield key.removeprefix(_STACKS).removesuffix(".json"), self._parsed(key)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("NoSuchKey", "NoSuchBucket", "404"):
                raise StateError(f"the other stacks' states can't be read: {error}") from error

    def _parsed(self, key: str) -> Any:
        try:
            return json.loads(self._s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        except ValueError as error:
            place = f"s3://{BUCKET}/{key}"
            raise StateError(f"another stack's state isn't JSON; mend or delete {place}: {error}") from error

    def lock(self) -> None:
        """Begin an update; raises `StateError` if another one is under way."""
        mine = f"{self._locks}{uuid.uuid4()}.json"
        note = {
            "pid": os.getpid(),
            "username": getpass.getuser(),
            "hostname": platform.node(),
            "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        }
        self._put(mine, json.dumps(note).encode())
        self._lock = mine
        for key in [item["Key"] for item in self._list_locks() if item["Key"] != mine]:
            self._respect(key)

    def unlock(self) -> None:
        """End the update."""
        if self._lock:
            self._s3.delete_object(Bucket=BUCKET, Key=self._lock)
            self._lock = ""

    def _list_locks(self) -> list[dict[str, Any]]:
        return list(self._s3.list_objects_v2(Bucket=BUCKET, Prefix=self._locks).get("Contents", ()))

    def _respect(self, key: str) -> None:
        try:
            holder = json.loads(self._s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        except (ClientError, ValueError):
            return  # released in between
        # A lock of a process of this machine that is no more is nobody's.
        if holder.get("hostname") == platform.node() and not psutil.pid_exists(int(holder.get("pid", 0))):
            self._s3.delete_object(Bucket=BUCKET, Key=key)
            return
        self.unlock()
        raise StateError(
            f"another update holds the stack: {holder.get('username')}@{holder.get('hostname')} "
            f"(process {holder.get('pid')}) since {holder.get('timestamp')}; wait for it, or delete s3://{BUCKET}/{key}"
        )

    def _put(self, key: str, body: bytes) -> None:
        try:
            self._s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        except (ClientError, BotoCoreError) as error:
            raise StateError(f"the stack's state can't be written: {error}") from error
