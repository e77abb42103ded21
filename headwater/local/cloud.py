"""The local cloud itself: the server, the rooms that moto leaves out, and what the rooms share."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import boto3
from botocore.config import Config
from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server

from headwater.local.clock import Clock
from headwater.local.front import Front

ACCOUNT_ID = "123456789012"
ACCESS_KEY, SECRET_KEY = "AKIAHEADWATERLOCAL00", "local-cloud-only-not-a-secret"


R = TypeVar("R")


class _RequestHandler(MotoRequestHandler):
    """Keeps connections open, answers without Nagle's delay, and doesn't print each request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_request(self, *_: object) -> None:
        pass


class Room(Protocol):
    """A part of AWS that moto leaves out. Made before the server starts, told when it is up and when it goes."""

    def open(self) -> None:
        """The server answers: start threads, register what needs an endpoint."""

    def close(self) -> None:
        """End every thread and process that the room started; called once, also after a failed `open`."""


class Cloud:
    """AWS on one port of this machine; a context manager.

    Moto keeps its state in the process, so a process has one cloud at a time.

    Parameters
    ----------
    directory : Path
        Where rooms keep files (unpacked zips, images, logs of processes); made if it isn't there.
    port : int
        Port on 127.0.0.1; 0 takes a free one.
    region : str
        The only region that rooms act in.
    """

    def __init__(self, directory: Path, *, port: int = 0, region: str = "us-east-1") -> None:
        self.directory = directory
        self.region = region
        self.account_id = ACCOUNT_ID
        self.clock = Clock()
        self.front = Front()
        self.stopped = threading.Event()
        self.workers = ThreadPoolExecutor(max_workers=64, thread_name_prefix="cloud")
        self.rooms: list[Room] = []
        self._requested_port = port
        self._server: BaseWSGIServer | None = None
        self._log_lock = threading.Lock()
        self.client = cache(self._client)

    @property
    def port(self) -> int:
        """The port that is served; raises `RuntimeError` before the cloud is started."""
        if self._server is None:
            raise RuntimeError("the local cloud isn't started")
        return self._server.port

    @property
    def endpoint(self) -> str:
        """What ``AWS_ENDPOINT_URL`` must hold."""
        return f"http://127.0.0.1:{self.port}"

    def room(self, kind: type[R]) -> R:
        """The room of that class; raises `LookupError` if the cloud isn't furnished with one."""
        for room in self.rooms:
            if isinstance(room, kind):
                return room
        raise LookupError(f"the local cloud has no {kind.__name__}")

    def environment(self) -> dict[str, str]:
        """The variables that lead any AWS client to this cloud."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
        }

    def __enter__(self) -> Self:
        from headwater.local.rooms import furnish

        self.directory.mkdir(parents=True, exist_ok=True)
        self.rooms = furnish(self)
        self._server = make_server(
            "127.0.0.1", self._requested_port, self.front, threaded=True, request_handler=_RequestHandler
        )
        # Moto's Step Functions interpreter calls back to this port.
        os.environ["MOTO_PORT"] = str(self.port)
        threading.Thread(target=self._server.serve_forever, name="front", daemon=True).start()
        try:
            for room in self.rooms:
                room.open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving; every process that a room started is gone when this returns."""
        self.stopped.set()
        for room in reversed(self.rooms):
            room.close()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        self.workers.shutdown(wait=False, cancel_futures=True)

    def _client(self, service: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            region_name=self.region,
            endpoint_url=self.endpoint,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(retries={"total_max_attempts": 1}, max_pool_connections=64, read_timeout=960),
        )

    def write_log(self, group: str, stream: str, lines: Iterable[str]) -> None:
        """Append ``lines`` to CloudWatch Logs; the group and the stream are made if they aren't there."""
        events = [{"timestamp": time.time_ns() // 1_000_000, "message": line} for line in lines if line]
        if not events:
            return
        logs = self.client("logs")
        with self._log_lock:
            for make, arguments in (
                (logs.create_log_group, {"logGroupName": group}),
                (logs.create_log_stream, {"logGroupName": group, "logStreamName": stream}),
            ):
                with suppress(logs.exceptions.ResourceAlreadyExistsException):
                    make(**arguments)
            logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)

    def put_metric(
        self,
        namespace: str,
        name: str,
        values: Sequence[float],
        dimensions: Mapping[str, str],
        *,
        unit: str = "Count",
    ) -> None:
        """Publish what the AWS service itself would publish, stamped with the cloud's clock."""
        self.client("cloudwatch").put_metric_data(
            Namespace=namespace,
            MetricData=[
                {
                    "MetricName": name,
                    "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
                    "Timestamp": self.clock.now(),
                    "Value": value,
                    "Unit": unit,
                }
                for value in values
            ],
        )
