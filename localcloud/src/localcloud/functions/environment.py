"""One execution environment: a process, the invocation it works on, and when it is free again."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from localcloud.functions.report import Report, end_line, report_line, start_line
from localcloud.functions.runtime_api import Answer, RuntimeServer, failure
from localcloud.functions.types import RESPONSE_BYTES, Function, Invocation, Outcome, unhandled
from localcloud.functions.work import Client, Work, exit_words, exited
from localcloud.processes import Process

INIT_SECONDS = 10.0
"""Lambda doesn't count the first ten seconds of start-up against the timeout."""
_TAIL_BYTES = 4096


class EnvironmentGoneError(Exception):
    """The process ended between two invocations: take another."""


class Environment:
    """A process that handles one invocation at a time.

    Parameters
    ----------
    function : Function
        What it runs.
    command : sequence of str
        The program.
    variables : mapping
        Its environment, but for the address of the Runtime API.
    scratch : Path
        A folder of its own, its ``/tmp``.
    log : callable
        Takes each line for the function's log.
    on_change : callable
        Called, outside any lock, whenever the environment became free, or is gone.
    """

    def __init__(
        self,
        function: Function,
        command: Sequence[str],
        variables: Mapping[str, str],
        scratch: Path,
        log: Callable[[str], None],
        on_change: Callable[[Environment], None],
    ) -> None:
        self.function = function
        self._log = log
        self._on_change = on_change
        self._changed = threading.Condition()
        self._runtime = Client("runtime")
        self._extensions: dict[str, Client] = {}
        self._sequence = 0
        self._work: Work | None = None
        self._init_failure: Callable[[str], Outcome] | None = None
        self._closed = self._gone = self._claimed = self._ready = False
        self._tail: deque[str] = deque()
        self._tail_bytes = 0
        self._init_duration: float | None = None
        self.peak_memory = 0
        self.started = self.idle_since = time.monotonic()
        self._server = RuntimeServer(self)
        scratch.mkdir(parents=True, exist_ok=True)
        log(f"INIT_START Runtime Version: {function.runtime}.local")
        with self._changed:  # a quick process asks for work before we know it
            self._process = Process.start(
                command,
                cwd=function.code,
                env={**variables, "AWS_LAMBDA_RUNTIME_API": self._server.address},
                on_line=self._on_line,
            )
        threading.Thread(target=self._watch, name=f"lambda-{function.name}", daemon=True).start()

    # What the pool asks.

    @property
    def idle(self) -> bool:
        """It waits for an invocation."""
        with self._changed:
            return not (self._closed or self._claimed) and self._all_wait() and self._work is None

    def claim(self) -> None:
        """It isn't idle from here on, until the invocation that `run` is given next is finished."""
        with self._changed:
            self._claimed = True

    @property
    def failed(self) -> bool:
        """It ended before it was ever ready; `run` tells how."""
        with self._changed:
            return self._init_failure is not None

    @property
    def closed(self) -> bool:
        """Its process is gone, or going."""
        with self._changed:
            return self._closed

    @property
    def ready(self) -> bool:
        """It was free at least once."""
        with self._changed:
            return self._ready

    def run(self, invocation: Invocation) -> Outcome:
        """Hand over ``invocation`` and wait for its outcome; the environment must be idle or failed.

        Raises
        ------
        EnvironmentGoneError
            The process has ended meanwhile; the invocation wasn't handed over.
        """
        function = self.function
        version = function.version
        with self._changed:
            if self._init_failure is not None:
                failed = self._init_failure(invocation.request_id)
                return replace(failed, request_id=invocation.request_id, executed_version=version)
            if self._closed:
                raise EnvironmentGoneError
            self._tail.clear()
            self._tail_bytes = 0
            self._line(start_line(invocation.request_id, version))
            began = time.monotonic()
            report = Report(invocation.request_id, began, function.memory, init_duration=self._init_duration)
            self._init_duration = None
            work = self._work = Work(invocation, report, began + function.timeout)
            self._sequence += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: work.outcome is not None, function.timeout)
            if work.outcome is None:
                self._settle_timeout(work)
            assert work.outcome is not None  # noqa: S101
            outcome = replace(
                work.outcome,
                request_id=invocation.request_id,
                executed_version=version,
                duration_ms=(work.responded - began) * 1000,
            )
        if report.status == "timeout":
            self.close()
        return outcome

    def overdue(self) -> bool:
        """Start-up, or an extension after the answer, took longer than the function's timeout: ended here."""
        now = time.monotonic()
        with self._changed:
            if self._closed:
                return False
            if not self._ready and now > self.started + INIT_SECONDS + self.function.timeout:
                self._init_failure = self._timeout
            elif (work := self._work) is not None and work.outcome is not None and now > work.deadline:
                self._line(f"{_now()} {work.invocation.request_id} {self._timeout_words()}")
            else:
                return False
        self.close()
        return True

    def measure(self) -> None:
        """Look at the memory, and end the process if it has more than the function may have."""
        used = self._process.memory()
        self.peak_memory = max(self.peak_memory, used)
        if used <= self.function.memory * 1024 * 1024:
            return
        # AWS's kernel kills the process; the watcher reports it as such.
        self._process.kill()

    def close(self) -> None:
        """End the process; what it works on fails."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        # First the process, then its connections: a runtime that loses one while it waits logs a traceback.
        self._process.kill()
        self._let_go()

    def wait_closed(self, timeout: float) -> None:
        """Wait until the process is gone."""
        self._process.wait(timeout)

    # What the process asks: the Runtime API and the Extensions API.

    def runtime_next(self) -> Answer | None:
        """Block until there is an invocation."""
        if not self._wait_for_next(self._runtime):
            return None
        with self._changed:
            if (work := self._work) is None:
                return None
            invocation = work.invocation
            deadline = time.time() + max(work.deadline - time.monotonic(), 0)
            headers = [
                ("Lambda-Runtime-Aws-Request-Id", invocation.request_id),
                ("Lambda-Runtime-Deadline-Ms", str(int(deadline * 1000))),
                ("Lambda-Runtime-Invoked-Function-Arn", invocation.invoked_arn),
                ("Lambda-Runtime-Trace-Id", invocation.trace_id),
            ]
            if invocation.client_context:
                headers.append(("Lambda-Runtime-Client-Context", invocation.client_context))
            return Answer(200, invocation.payload, tuple(headers))

    def runtime_response(self, request_id: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """The function's answer goes to the caller at once."""
        if headers.get("lambda-runtime-function-error-type"):
            return self._settle(request_id, Outcome(payload=body, function_error="Unhandled"))
        if len(body) > RESPONSE_BYTES:
            message = f"Response payload size exceeded maximum allowed payload size ({RESPONSE_BYTES} bytes)."
            self._settle(request_id, Outcome(**unhandled("Function.ResponseSizeTooLarge", message)))
            return failure(413, "Function.ResponseSizeTooLarge", message)
        return self._settle(request_id, Outcome(payload=body))

    def runtime_error(self, request_id: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """The handler failed; the process lives on."""
        del headers
        return self._settle(request_id, Outcome(payload=body, function_error="Unhandled"))

    def init_error(self, body: bytes) -> Answer:
        """The code couldn't be loaded; the process ends by itself."""
        with self._changed:
            self._init_failure = lambda _: Outcome(payload=body, function_error="Unhandled")
        return Answer(202, b'{"status":"OK"}')

    def extension_register(self, name: str, body: bytes) -> Answer:
        """An internal extension, which may only ask for INVOKE."""
        events = json.loads(body or b"{}").get("events", [])
        if "SHUTDOWN" in events:
            return failure(403, "Extension.InvalidEventType", "internal extensions can't register for SHUTDOWN")
        identifier = str(uuid.uuid4())
        with self._changed:
            if self._ready:
                return failure(403, "Extension.InvalidExtensionState", "extensions register during start-up only")
            if "INVOKE" in events:
                self._extensions[identifier] = Client(name)
        described = {
            "functionName": self.function.name,
            "functionVersion": self.function.version,
            "handler": self.function.handler,
        }
        return Answer(200, json.dumps(described).encode(), (("Lambda-Extension-Identifier", identifier),))

    def extension_next(self, identifier: str) -> Answer | None:
        """Block until there is an invocation; asking says that the extension has done its work."""
        client = self._extensions.get(identifier)
        if client is None:
            return failure(403, "Extension.UnknownExtensionIdentifier", f"unknown extension {identifier!r}")
        if not self._wait_for_next(client):
            return None
        with self._changed:
            if (work := self._work) is None:
                return None
            invocation = work.invocation
            event = {
                "eventType": "INVOKE",
                "deadlineMs": int((time.time() + max(work.deadline - time.monotonic(), 0)) * 1000),
                "requestId": invocation.request_id,
                "invokedFunctionArn": invocation.invoked_arn,
                "tracing": {"type": "X-Amzn-Trace-Id", "value": invocation.trace_id},
            }
        identity = (("Lambda-Extension-Event-Identifier", str(uuid.uuid4())),)
        return Answer(200, json.dumps(event).encode(), identity)

    def _wait_for_next(self, client: Client) -> bool:
        with self._changed:
            client.waiting = True
            freed = self._all_wait()
        if freed:
            self._free()
        with self._changed:
            self._changed.wait_for(lambda: self._gone or (self._sequence > client.seen and not self._closed))
            client.waiting, client.seen = False, self._sequence
            return not self._gone

    def _all_wait(self) -> bool:
        clients = (self._runtime, *self._extensions.values())
        return all(client.waiting and client.seen == self._sequence for client in clients)

    def _free(self) -> None:
        self._process.drain()
        with self._changed:
            if not self._ready:
                self._ready = True
                self._init_duration = time.monotonic() - self.started
            if self._work is not None and self._work.outcome is not None:
                self._finish(self._work)
            self.idle_since = time.monotonic()
        self._on_change(self)

    def _settle(self, request_id: str, outcome: Outcome) -> Answer:
        # The function printed before it answered, but the pipe may be behind the socket.
        self._process.drain()
        if self.peak_memory == 0:
            self.measure()  # else the first report would have no figure
        with self._changed:
            work = self._work
            if work is None or work.invocation.request_id != request_id or work.outcome is not None:
                return failure(400, "InvalidRequestID", f"no invocation {request_id} is being worked on")
            self._record(work, outcome)
        return Answer(202, b'{"status":"OK"}')

    # How an invocation ends. All with the lock held.

    def _record(self, work: Work, outcome: Outcome) -> None:
        work.responded = time.monotonic()
        work.outcome = replace(outcome, log_tail=self._tail_of(work))
        self._changed.notify_all()

    def _settle_timeout(self, work: Work) -> None:
        request_id = work.invocation.request_id
        work.report.status = "timeout"
        self._line(f"{_now()} {request_id} {self._timeout_words()}")
        self._record(work, self._timeout(request_id))

    def _finish(self, work: Work) -> None:
        """The runtime and every extension are done: the log says so, and the environment can be used again."""
        for line in self._ending(work):
            self._line(line)
        self._work = None
        self._claimed = False

    def _ending(self, work: Work) -> tuple[str, str]:
        return end_line(work.report.request_id), report_line(work.report, work.responded, self.peak_memory)

    def _tail_of(self, work: Work) -> str:
        return "".join(line + "\n" for line in (*self._tail, *self._ending(work)))[-_TAIL_BYTES:]

    def _on_line(self, line: str) -> None:
        with self._changed:
            # AWS's runtime client separates the lines of one log event by carriage returns.
            self._line(line.replace("\r", "\n"))

    def _line(self, line: str) -> None:
        self._log(line)
        self._tail.append(line)
        self._tail_bytes += len(line) + 1
        while self._tail_bytes > _TAIL_BYTES and len(self._tail) > 1:
            self._tail_bytes -= len(self._tail.popleft()) + 1

    def _timeout_words(self) -> str:
        return f"Task timed out after {self.function.timeout:.2f} seconds"

    def _timeout(self, request_id: str) -> Outcome:
        return Outcome(**unhandled("Sandbox.Timedout", f"RequestId: {request_id} Error: {self._timeout_words()}"))

    def _watch(self) -> None:
        code = self._process.wait()
        with self._changed:
            self._closed = True
            words = exit_words(code)
            if not self._ready and self._init_failure is None:
                self._line(words)
                self._init_failure = partial(exited, words)
            if (work := self._work) is not None:
                if work.outcome is None:
                    work.report.status, work.report.error_type = "error", "Runtime.ExitError"
                    self._line(f"RequestId: {work.invocation.request_id} Error: {words}")
                    self._record(work, exited(words, work.invocation.request_id))
                self._finish(work)
            self._changed.notify_all()
        self._let_go()
        self._on_change(self)

    def _let_go(self) -> None:
        """The process is gone: what waits for it to be asked something waits no more."""
        with self._changed:
            self._gone = True
            self._changed.notify_all()
        self._server.close()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
