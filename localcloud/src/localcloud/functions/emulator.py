"""The Lambda emulator: finds the function, admits the invocation, runs it, and keeps the books."""

from __future__ import annotations

import os
import shutil
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from localcloud.context import CloudContext
from localcloud.functions import moto_patches
from localcloud.functions.code import BOOT, interpreter, runtime_folder
from localcloud.functions.configuration import exists, look_up
from localcloud.functions.environment import Environment
from localcloud.functions.event_source_mappings import EventSourceMappings
from localcloud.functions.invoke_api import InvokeApi, check_payload
from localcloud.functions.pool import Pool, PoolRetiredError
from localcloud.functions.queue import AsynchronousInvocations
from localcloud.functions.streams import StreamSources
from localcloud.functions.types import Function, Invocation, LambdaError, Outcome, throttled
from localcloud.moto_patches.patches import Patches
from localcloud.rest import Going
from localcloud.telemetry import Telemetry

_TICK_SECONDS = 0.1
_IDLE_SECONDS = 300.0


class Functions:
    """Runs Lambda functions; an emulator of the cloud.

    Parameters
    ----------
    cloud : CloudContext
        Where the functions are, and what they call.
    """

    def __init__(self, cloud: CloudContext) -> None:
        self._cloud = cloud
        self._folder = cloud.directory / "functions"
        self._pools: dict[tuple[str, str], Pool] = {}
        self._retiring: list[Pool] = []
        self._lock = threading.Lock()
        self._in_flight: Counter[str] = Counter()
        self._log = Telemetry(cloud, "AWS/Lambda")
        self._stopped = threading.Event()
        self._queue = AsynchronousInvocations(cloud, self)
        self._sources = EventSourceMappings(cloud, self)
        self._streams = StreamSources(cloud, self)
        self._housekeeper = threading.Thread(target=self._keep_house, name="lambda-housekeeper", daemon=True)
        cloud.dispatcher.add(InvokeApi(cloud, self))
        self._patches = Patches()
        moto_patches.apply(self._patches, lambda arn, payload: self.invoke_later(arn, payload))

    def open(self) -> None:
        """Lay out the runtime client and start to keep house."""
        shutil.rmtree(self._folder / "scratch", ignore_errors=True)
        self._runtime = runtime_folder(self._folder)
        self._log.start()
        self._queue.start()
        self._sources.start()
        self._streams.start()
        self._housekeeper.start()

    def going_on(self) -> list[Going]:
        """Asynchronous invocations, and what queues and streams have for functions."""
        return [*self._streams.going_on(), *self._sources.going_on(), *self._queue.going_on()]

    def redeliver(self, delivery: Any, number: str) -> bool:
        """Queue an event that the last cloud had taken on."""
        return self._queue.put_again(delivery, number)

    def close(self) -> None:
        """End every function's process."""
        self._stopped.set()
        self._sources.close()
        self._streams.close()
        self._queue.close()
        with self._lock:
            pools, self._pools = (*self._pools.values(), *self._retiring), {}
        environments = [each for pool in pools for each in pool.environments()]
        for pool in pools:
            pool.close()
        for environment in environments:
            environment.wait_closed(10)
        if self._housekeeper.is_alive():
            self._housekeeper.join()
        self._log.close()
        self._patches.close()

    def invoke(
        self,
        function: str,
        payload: bytes,
        *,
        qualifier: str | None = None,
        trace_id: str = "",
        client_context: str = "",
        request_id: str = "",
    ) -> Outcome:
        """Run a function and wait for its answer (RequestResponse).

        Parameters
        ----------
        function : str
            Name or ARN, with or without a qualifier.
        payload : bytes
            The event as JSON.
        qualifier : str or None
            Version or alias.
        trace_id : str
            X-Ray's; a new, unsampled one by default.
        client_context : str
            JSON.
        request_id : str
            A new one by default.

        Returns
        -------
        Outcome
            Also of a function that failed: see ``function_error``.

        Raises
        ------
        LambdaError
            The function doesn't exist, is throttled, or the payload isn't JSON or too large.
        """
        check_payload(payload)
        found, arn = look_up(self._cloud, function, qualifier)
        invocation = Invocation(
            payload=payload or b"{}",
            invoked_arn=arn,
            trace_id=trace_id or new_trace_id(),
            client_context=client_context,
            request_id=request_id or str(uuid.uuid4()),
        )
        return self.run(found, invocation)

    def invoke_later(self, function: str, payload: bytes, *, qualifier: str | None = None, trace_id: str = "") -> str:
        """Queue an event for a function (Event), with Lambda's retries and destinations; returns the request id.

        Raises
        ------
        LambdaError
            The function doesn't exist, or the payload isn't JSON or too large.
        """
        check_payload(payload, asynchronous=True)
        _, arn = look_up(self._cloud, function, qualifier)
        invocation = Invocation(payload=payload or b"{}", invoked_arn=arn, trace_id=trace_id or new_trace_id())
        self._queue.put(invocation)
        return invocation.request_id

    def run(self, function: Function, invocation: Invocation) -> Outcome:
        """Admit and run one invocation of ``function``, and count it."""
        name = function.name
        with self._lock:
            if function.reserved_concurrency is not None and self._in_flight[name] >= function.reserved_concurrency:
                self._measure("Throttles", 1, name)
                raise throttled()
            self._in_flight[name] += 1
        try:
            outcome = self._pooled(function, invocation)
        finally:
            with self._lock:
                self._in_flight[name] -= 1
        self._measure("Invocations", 1, name)
        self._measure("Errors", 1 if outcome.function_error else 0, name)
        self._measure("Duration", outcome.duration_ms, name, "Milliseconds")
        return outcome

    def _measure(self, metric: str, value: float, function: str, unit: str = "Count") -> None:
        """Of the function, and without a dimension of all functions of the account in the region, as Lambda does.

        Source: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-view.html.
        """
        self._log.metric(metric, value, unit, FunctionName=function)
        self._log.metric(metric, value, unit)

    def count(self, function: str, name: str) -> None:
        """Count something in AWS/Lambda."""
        self._log.metric(name, 1, FunctionName=function)

    def flush_logs(self) -> None:
        """Write out what functions have logged and counted so far."""
        self._log.flush()

    def _pooled(self, function: Function, invocation: Invocation) -> Outcome:
        while not self._stopped.is_set():
            try:
                return self._pool(function).run(invocation)
            except PoolRetiredError:
                # Changed while this waited: the new code answers, as on AWS.
                function, _ = look_up(self._cloud, invocation.invoked_arn)
            except LookupError as error:
                raise LambdaError(400, "InvalidParameterValueException", str(error.args[0])) from error
        raise LambdaError(500, "ServiceException", "the local cloud is closing")

    def _pool(self, function: Function) -> Pool:
        key = function.arn, function.version
        with self._lock:
            pool = self._pools.get(key)
            if pool is not None and pool.function.identity == function.identity:
                pool.limit = function.reserved_concurrency
                return pool
            made = self._pools[key] = Pool(function, self._start)
            if pool is not None:
                self._retiring.append(pool)
        if pool is not None:
            pool.retire()
        return made

    def _start(self, function: Function, on_change: Callable[[Environment], None]) -> Environment:
        identifier = uuid.uuid4().hex
        stream = f"{datetime.now(UTC):%Y/%m/%d}/[{function.version}]{identifier}"
        scratch = self._folder / "scratch" / identifier
        folders = [str(function.code)]
        for layer in function.layers:
            folders += [str(layer / "python"), str(layer)]
        python = interpreter(function.runtime)
        return Environment(
            function,
            [python, "-I", "-S", str(BOOT), str(self._runtime), *folders],
            self._variables(function, stream, str(scratch)),
            scratch,
            lambda line: self._log.line(function.log_group, stream, line),
            on_change,
        )

    def _variables(self, function: Function, stream: str, scratch: str) -> dict[str, str]:
        """https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html."""
        variables = {
            **function.variables,
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "LC_CTYPE": "C.UTF-8",
            "TZ": ":UTC",
            "HOME": scratch,
            "TMPDIR": scratch,
            "PWD": str(function.code),
            "_HANDLER": function.handler,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": function.version,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
            "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
            "AWS_LAMBDA_LOG_STREAM_NAME": stream,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
            "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
            "LAMBDA_TASK_ROOT": str(function.code),
            "LAMBDA_RUNTIME_DIR": str(self._runtime),
            **self._cloud.environment(),
            **self._cloud.credentials_for(function.role),
        }
        # AWS lets a function set these itself.
        variables |= {name: function.variables[name] for name in ("PATH", "LANG", "TZ") if name in function.variables}
        if function.log_format == "JSON":
            variables["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
        return variables

    def _keep_house(self) -> None:
        while not self._stopped.wait(_TICK_SECONDS):
            with self._lock:
                gone = [key for key, pool in self._pools.items() if not exists(self._cloud, pool.function)]
                deleted = [self._pools.pop(key) for key in gone]
                self._retiring = [pool for pool in (*self._retiring, *deleted) if pool.environments()]
                pools = (*self._pools.values(), *self._retiring)
            for pool in deleted:
                pool.retire()
            for pool in pools:
                for environment in pool.environments():
                    if not environment.overdue() and not environment.idle:
                        environment.measure()
                pool.reap(_IDLE_SECONDS)


def new_trace_id() -> str:
    """An X-Ray trace header that asks for no segments: nobody collects them here."""
    seconds, rest = f"{int(datetime.now(UTC).timestamp()):08x}", os.urandom(12).hex()
    return f"Root=1-{seconds}-{rest};Parent={os.urandom(8).hex()};Sampled=0"
