"""Asynchronous invocations: Lambda's own queue in front of a function, its retries and where failures go.

Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from localcloud.context import CloudContext
from localcloud.functions.configuration import backend_of, look_up, parse_name
from localcloud.functions.destinations import Destinations, Ending
from localcloud.functions.types import Function, Invocation, LambdaError, Outcome
from localcloud.rest import Going

# Lambda waits one minute before the second attempt and two before the third. Whoever sits at a laptop (or in CI) waits
# for the outcome, and what heals in a minute on AWS, such as another service, runs in this very process.
_RETRY_SECONDS, _RETRY_SECONDS_ON_AWS = (0.3, 0.6), (60, 120)
# Throttles and Lambda's own errors: one second, doubling to five minutes, on AWS.
_THROTTLED_SECONDS, _THROTTLED_SECONDS_AT_MOST = 0.05, 2.0
_WORKERS = 16

_logger = logging.getLogger(__name__)


class Runner(Protocol):
    """What runs functions."""

    def run(self, function: Function, invocation: Invocation) -> Outcome:
        """Run one invocation."""

    def count(self, function: str, name: str) -> None:
        """Count something in AWS/Lambda."""


@dataclass(frozen=True)
class _Event:
    invocation: Invocation
    received: datetime
    attempts: int = 0
    throttles: int = 0
    outcome: Outcome | None = None
    kept_as: str = ""
    """Its number in the cloud's state."""


@dataclass(frozen=True)
class InvokeConfig:
    """FunctionEventInvokeConfig, with Lambda's defaults."""

    retries: int = 2
    age_seconds: int = 21_600
    destinations: dict[str, str] = field(default_factory=dict)
    """``OnSuccess`` and ``OnFailure`` to ARN."""

    @classmethod
    def of(cls, cloud: CloudContext, reference: str) -> InvokeConfig:
        """The configuration of the function and qualifier in ``reference``."""
        name, _ = parse_name(reference, None)
        configured: list[Any] = backend_of(cloud).get_function(name, None).event_invoke_config
        described = configured[-1].response() if configured else {}
        targets = described.get("DestinationConfig") or {}
        return cls(
            retries=described.get("MaximumRetryAttempts", cls.retries),
            age_seconds=described.get("MaximumEventAgeInSeconds", cls.age_seconds),
            destinations={
                kind: target["Destination"] for kind, target in targets.items() if (target or {}).get("Destination")
            },
        )


class AsynchronousInvocations:
    """A queue with a few workers; an event leaves it when it succeeded or was given up."""

    def __init__(self, cloud: CloudContext, runner: Runner) -> None:
        self._cloud = cloud
        self._runner = runner
        self._destinations = Destinations(cloud, runner.count)
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int, _Event]] = []
        self._order = itertools.count()
        self._in_hand: dict[str, _Event] = {}
        """By request id, those that a worker has."""
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._work, name=f"lambda-queue-{number}", daemon=True)
            for number in range(_WORKERS)
        ]

    def start(self) -> None:
        """Begin to work."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Take nothing more; what is queued is forgotten with the cloud."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def put(self, invocation: Invocation) -> None:
        """Queue an event."""
        self._runner.count(parse_name(invocation.invoked_arn, None)[0], "AsyncEventsReceived")
        event = _Event(invocation, self._cloud.clock.now())
        self._push(replace(event, kept_as=self._cloud.keep_until_delivered(event)), 0)

    def put_again(self, event: Any, number: str) -> bool:
        """Queue an event that the last cloud had taken on; False if it is no such event."""
        if not isinstance(event, _Event):
            return False
        self._push(replace(event, kept_as=number), 0)
        return True

    def _push(self, event: _Event, delay: float) -> None:
        with self._changed:
            heapq.heappush(self._heap, (time.monotonic() + delay, next(self._order), event))
            self._changed.notify()

    def _pop(self) -> _Event | None:
        with self._changed:
            while not self._stopped:
                if not self._heap:
                    self._changed.wait()
                elif (delay := self._heap[0][0] - time.monotonic()) > 0:
                    self._changed.wait(delay)
                else:
                    event = heapq.heappop(self._heap)[2]
                    self._in_hand[event.invocation.request_id] = event
                    return event
        return None

    def going_on(self) -> list[Going]:
        """Every event that neither succeeded nor was given up."""
        with self._changed:
            waiting: list[tuple[float | None, _Event]] = [(due, event) for due, _, event in self._heap]
            in_hand = [(None, event) for event in self._in_hand.values()]
        return [
            Going(f"invocation of {parse_name(it.invocation.invoked_arn, None)[0]}", it.invocation.request_id, until)
            for until, it in waiting + in_hand
        ]

    def _work(self) -> None:
        while (event := self._pop()) is not None:
            try:
                if self._attempt(event):
                    self._cloud.delivered(event.kept_as)
            except Exception:
                if self._stopped:
                    return
                self._cloud.delivered(event.kept_as)
                _logger.exception("an asynchronous invocation of %s was lost", event.invocation.invoked_arn)
            finally:
                with self._changed:
                    self._in_hand.pop(event.invocation.request_id, None)

    def _attempt(self, event: _Event) -> bool:
        """Try once; False if the event will be tried again."""
        invocation = event.invocation
        try:
            function, _ = look_up(self._cloud, invocation.invoked_arn)
            config = InvokeConfig.of(self._cloud, invocation.invoked_arn)
        except LambdaError:
            return True  # deleted while the event waited; Lambda drops such events too
        age = (self._cloud.clock.now() - event.received).total_seconds()
        if age > config.age_seconds:
            self._end(function, config, Ending("EventAgeExceeded", invocation, event.attempts, event.outcome))
            return True
        if function.reserved_concurrency == 0:
            # https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html: at once, no retry.
            self._end(function, config, Ending("ZeroReservedConcurrency", invocation, 0))
            return True
        try:
            outcome = self._runner.run(function, invocation)
        except LambdaError as error:
            if error.status not in (429, 500):
                raise
            delay = min(_THROTTLED_SECONDS * 2**event.throttles, _THROTTLED_SECONDS_AT_MOST)
            self._push(replace(event, throttles=event.throttles + 1), delay)
            return False
        attempts = event.attempts + 1
        if not outcome.function_error:
            self._end(function, config, Ending("Success", invocation, attempts, outcome))
        elif attempts > config.retries:
            self._end(function, config, Ending("RetriesExhausted", invocation, attempts, outcome))
        elif age + _RETRY_SECONDS_ON_AWS[attempts - 1] > config.age_seconds:
            # Lambda gives up as soon as it knows that the next attempt would come too late.
            self._end(function, config, Ending("EventAgeExceeded", invocation, attempts, outcome))
        else:
            self._push(replace(event, attempts=attempts, outcome=outcome), _RETRY_SECONDS[attempts - 1])
            return False
        return True

    def _end(self, function: Function, config: InvokeConfig, ending: Ending) -> None:
        if ending.condition != "Success":
            self._runner.count(function.name, "AsyncEventsDropped")
        self._destinations.send(function, config.destinations, ending)
