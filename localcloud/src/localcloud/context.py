"""What the emulators of one cloud share: its dispatcher, clock, clients, logs and metrics."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

import boto3
from botocore.config import Config

from localcloud.account import ACCESS_KEY, ACCOUNT_ID, SECRET_KEY, client_environment
from localcloud.clock import Clock
from localcloud.dispatcher import Dispatcher
from localcloud.embedded_metrics import metrics_in
from localcloud.rest import Busy, Going
from localcloud.serving import Server

_METRICS_A_CALL = 1000
_LOG_BATCH_BYTES = 1_048_576
_LOG_EVENT_BYTES = 256_000  # an event may hold 1 MiB by now, but readers still expect 256 KB

R = TypeVar("R")


class ServiceEmulator(Protocol):
    """A part of AWS that moto leaves out. Made before the server starts, told when it is up and when it goes."""

    def open(self) -> None:
        """The server answers: start threads, register what needs an endpoint."""

    def close(self) -> None:
        """End every thread and process that the emulator started; called once, also after a failed `open`."""


class Journal(Protocol):
    """Where deliveries are written down until they have ended."""

    def begin(self, delivery: Any) -> str:
        """Write one down; its number."""

    def end(self, number: str) -> None:
        """That one has ended."""


class CloudContext:
    """A cloud as its emulators know it.

    Parameters
    ----------
    directory : Path
        Where emulators keep files (unpacked zips, images, logs of processes).
    region : str
        The only region that emulators act in.
    """

    def __init__(self, directory: Path, region: str) -> None:
        self.directory = directory
        self.region = region
        self.account_id = ACCOUNT_ID
        self.clock = Clock()
        self.dispatcher = Dispatcher()
        self.journal: Journal | None = None
        """None if the cloud keeps nothing."""
        self.stopped = threading.Event()
        self.workers = ThreadPoolExecutor(max_workers=64, thread_name_prefix="cloud")
        self._aside, self._aside_lock = 0, threading.Lock()
        self.before_rest: list[Callable[[], None]] = []
        """Write out what is collected for a moment, such as metrics of functions: alarms of the next stop read them."""
        self.emulators: list[ServiceEmulator] = []
        self._server: Server | None = None
        self._clients: list[Any] = []
        self.principals: dict[str, str] = {}
        """Role ARN by access key id, of every key that `credentials_for` gave out."""
        self._log_lock = threading.Lock()
        self._log_streams: set[tuple[str, str]] = set()
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

    def emulator(self, kind: type[R]) -> R:
        """The emulator of that class; raises `LookupError` if the cloud has none."""
        for emulator in self.emulators:
            if isinstance(emulator, kind):
                return emulator
        raise LookupError(f"the local cloud has no {kind.__name__}")

    def environment(self) -> dict[str, str]:
        """The variables that lead any AWS client to this cloud."""
        return client_environment(self.endpoint, self.region)

    def credentials_for(self, role_arn: str) -> dict[str, str]:
        """The variables that make a client of this cloud act as ``role_arn``.

        The same role always gets the same key, so that a stack that is brought up again finds its own.
        """
        digest = base64.b32encode(hashlib.sha256(role_arn.encode()).digest()).decode()
        access_key = "ASIA" + digest[:16]
        self.principals[access_key] = role_arn
        return {"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}

    def remember(self) -> Any:
        """For the state on disk: how far the clock was moved, and whose keys were given out."""
        return {"clock": self.clock.offset, "principals": dict(self.principals)}

    def recall(self, remembered: Any) -> None:
        """Take up what `remember` returned."""
        self.clock.offset = remembered["clock"]
        self.principals.update(remembered["principals"])

    def tell(self, source: str, kind: str, resource: str, detail: Any) -> None:
        """Put an event of an AWS service on the default bus."""
        event = {"Source": source, "DetailType": kind, "Resources": [resource], "Detail": json.dumps(detail)}
        self.client("events").put_events(Entries=[event])

    def aside(self, act: Callable[..., None], *arguments: Any) -> None:
        """Do something short on another thread, unless the cloud closes just now. Never blocks."""
        with self._aside_lock:
            self._aside += 1
        try:
            self.workers.submit(act, *arguments).add_done_callback(self._was_aside)
        except RuntimeError:  # the cloud is closing: its workers take nothing more
            self._was_aside()

    def _was_aside(self, *_: object) -> None:
        with self._aside_lock:
            self._aside -= 1

    def going_on(self) -> list[Going]:
        """What its emulators have started and isn't over."""
        aside = [Going("events and metrics of services", "aside")] if self._aside else []
        return aside + [it for one in self.emulators if isinstance(one, Busy) for it in one.going_on()]

    def keep_until_delivered(self, delivery: Any) -> str:
        """Keep what was taken on until `delivered` is told its number, should this process end before that."""
        return self.journal.begin(delivery) if self.journal is not None else ""

    def delivered(self, number: str) -> None:
        """That is done, or was given up."""
        if self.journal is not None and number:
            self.journal.end(number)

    def _client(self, service: str) -> Any:
        made: Any = boto3.client(  # type: ignore[call-overload]
            service,
            region_name=self.region,
            endpoint_url=self.endpoint,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(retries={"total_max_attempts": 1}, max_pool_connections=64, read_timeout=960),
        )
        self._clients.append(made)
        return made

    def write_log(self, group: str, stream: str, lines: Iterable[str], *, make_group: bool = True) -> None:
        """Append ``lines`` to CloudWatch Logs; the group and the stream are made if they aren't there.

        Unless ``make_group``: Step Functions, for one, makes no group, and drops what it would write to one that was
        deleted. Lines in the embedded metric format become metrics as well, as CloudWatch does it.
        """
        kept = [line for line in lines if line]
        if not kept:
            return
        with self._log_lock:
            logs = self.client("logs")
            for batch in _log_batches(kept):
                try:
                    self._put_log_events(logs, group, stream, batch, make_group)
                except logs.exceptions.ResourceNotFoundException:
                    # Someone deleted the group since we made sure that it is there.
                    self._log_streams.discard((group, stream))
                    with suppress(*() if make_group else (logs.exceptions.ResourceNotFoundException,)):
                        self._put_log_events(logs, group, stream, batch, make_group)
        for line in kept:
            for metric in metrics_in(line):
                self.put_metric(metric.namespace, metric.name, metric.values, metric.dimensions, unit=metric.unit)

    def _put_log_events(
        self, logs: Any, group: str, stream: str, events: list[dict[str, Any]], make_group: bool
    ) -> None:
        if (group, stream) not in self._log_streams:
            if make_group:
                with suppress(logs.exceptions.ResourceAlreadyExistsException):
                    logs.create_log_group(logGroupName=group)
            with suppress(logs.exceptions.ResourceAlreadyExistsException):
                logs.create_log_stream(logGroupName=group, logStreamName=stream)
            self._log_streams.add((group, stream))
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
        for start in range(0, len(values), _METRICS_A_CALL):
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
                    for value in values[start : start + _METRICS_A_CALL]
                ],
            )


def _log_batches(lines: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
    """PutLogEvents takes 1 MiB and 10,000 events, an event 1 MiB with 26 bytes of overhead."""
    now = time.time_ns() // 1_000_000
    batch: list[dict[str, Any]] = []
    size = 0
    for line in lines:
        message = line.encode()[:_LOG_EVENT_BYTES].decode("utf-8", "ignore")
        needed = len(message.encode()) + 26
        if batch and (size + needed > _LOG_BATCH_BYTES or len(batch) == 10_000):
            yield batch
            batch, size = [], 0
        batch.append({"timestamp": now, "message": message})
        size += needed
    if batch:
        yield batch
