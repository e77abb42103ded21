"""A lake in moto, a wire on which calls can fail, and a clock that tests move."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError
from localcloud.moto_patches import corrected
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.models import botocore_stubber
from moto.s3.models import s3_backends

from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.versions.dataset import Dataset
from headwater.versions.service import Versions
from headwater.versions.types import Entry
from tests.crashing import Killed
from tests.unit.registry.cases import TABLE, make_table, mocked_aws

LAKE = "lake"
Fault = Literal["throttle", "kill", "resend", "drop"] | None
MUTATING = ("PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "DeleteObject",
            "TransactWriteItems")  # fmt: skip


class Wire:
    """Between botocore and moto: one call at a time (moto isn't thread-safe, AWS is), each of which may fail.

    ``fault`` is asked before every call: ``throttle`` refuses it; ``resend`` loses its answer, and botocore sends it
    again; ``drop`` loses its answer for good; ``kill`` ends the process before the call.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.fault: Callable[[str], Fault] = lambda _: None
        self._lock = threading.RLock()
        self._dead = False

    def attach(self, client: Any) -> None:
        # Every handler is called, also after one that answered: moto's own would do each call again.
        client.meta.events.unregister("before-send", botocore_stubber)
        client.meta.events.register_first("before-send", self)

    def revive(self) -> None:
        """Start a new process."""
        self._dead, self.fault, self.calls = False, lambda _: None, []

    def __call__(self, event_name: str, request: Any, **_: Any) -> Any:
        operation = event_name.rpartition(".")[2]
        fault = self.fault(operation)  # without the lock: it may make calls of its own
        with self._lock:
            self._dead = self._dead or fault == "kill"
            if self._dead:
                raise Killed
            if fault == "throttle":
                return _throttled(request)
            self.calls.append(operation)
            answer = botocore_stubber(event_name, request)
            if fault == "resend":
                request.reset_stream()  # as botocore does before it sends anything again
                answer = botocore_stubber(event_name, request)
            if fault == "drop":
                raise ConnectionClosedError(endpoint_url=request.url)
            return answer

    @property
    def writes(self) -> int:
        """How many mutating calls were made."""
        return sum(call in MUTATING for call in self.calls)


def wired(*services: str) -> Wire:
    """A wire that the calls to these services go through."""
    wire = Wire()
    for service in services:
        wire.attach(CLIENTS(service))
    return wire


def at_write(number: int, fault: Fault) -> Callable[[str], Fault]:
    """The fault for the ``number``-th mutating call, counted from 0."""
    seen = iter(range(1_000_000))
    return lambda operation: fault if operation in MUTATING and next(seen) == number else None


class _Raw(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def _throttled(request: Any) -> AWSResponse:
    body = b'{"__type": "com.amazon.coral.availability#ThrottlingException", "message": "Rate exceeded"}'
    return AWSResponse(request.url, 400, {"content-type": "application/x-amz-json-1.0"}, _Raw(body))


class World:
    """A lake with its registry table."""

    def __init__(self) -> None:
        make_table(TABLE)
        self.s3 = CLIENTS("s3")
        make_bucket(LAKE)
        self.wire = wired("s3", "dynamodb")
        self.time = datetime(2026, 11, 1, tzinfo=UTC)
        self.versions = self.open()
        self.data = self.versions.dataset("flights")

    def open(self, **more: Any) -> Versions:
        """What another process would see."""
        return Versions(LAKE, Table(TABLE, CLIENTS), CLIENTS, now=lambda: self.time, pause=lambda _: None, **more)

    def restart(self, fault: Callable[[str], Fault] | None = None) -> None:
        """Forget all that a process knew; the next one meets ``fault``."""
        self.wire.revive()
        if fault is not None:
            self.wire.fault = fault
        self.versions = self.open()
        self.data = self.versions.dataset("flights")

    def pass_time(self, **by: float) -> None:
        """Let time pass for us and, by making everything older, for S3."""
        self.tick(**by)
        for bucket in s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets.values():
            for key in bucket.keys:
                for version in bucket.keys.getlist(key):
                    version.last_modified -= timedelta(**by)

    def tick(self, **by: float) -> None:
        self.time += timedelta(**(by or {"minutes": 1}))

    def stage(self, files: Mapping[str, str | None], branch: str = "main") -> None:
        """Write files to a branch's place as any S3 client does; None deletes."""
        prefix = self.data.staging_area(branch).partition("/")[2]
        for path, text in files.items():
            if text is None:
                self.s3.delete_object(Bucket=LAKE, Key=prefix + path)
            else:
                self.s3.put_object(Bucket=LAKE, Key=prefix + path, Body=text.encode())

    def commit(self, files: Mapping[str, str | None], branch: str = "main", message: str = "more") -> str:
        self.stage(files, branch)
        self.tick()
        return self.data.commit(message, branch=branch, author="ann").id

    def content(self, revision: str = "main", data: Dataset | None = None) -> dict[str, str]:
        """Every path's text."""
        data = data or self.data
        return {entry.path: data.read(entry.path, revision).decode() for entry in data.files(revision)}


@contextmanager
def world() -> Iterator[World]:
    """A new world in a new moto."""
    with (
        corrected("dynamodb_transactions", "s3_parts", "s3_listings"),
        pytest.MonkeyPatch.context() as patch,
        mocked_aws(patch),
    ):
        yield World()


def make_bucket(name: str, *, versioned: bool = True) -> None:
    s3 = CLIENTS("s3")
    s3.create_bucket(Bucket=name)
    if versioned:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


def entry(path: str, version: int = 1, *, origin: str = "lake/data/x@main/") -> Entry:
    """An entry of no object; its bytes are told by its version."""
    return Entry(path, origin, f"v{version}", 10 + version, f"sum{version}", "SHA256")
