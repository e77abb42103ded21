"""Carries what AWS promises to deliver: at least once, tried again after a pause, and to a dead-letter queue at last.

Rules, topics and schedules all hand their deliveries to one queue. Back-offs are short here (AWS waits up to hours);
a delivery's age is told by the cloud's clock, so that moving the clock a day on uses up a day of retries.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from localcloud.rest import Going

if TYPE_CHECKING:
    from localcloud.context import CloudContext

logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0  # seconds between tries


class DeliveryFailed(Exception):
    """A target didn't take what it was sent."""

    def __init__(self, code: str, message: str, *, is_transient: bool = False) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        """As EventBridge writes it into a dead letter, such as ``"NO_PERMISSIONS"``."""
        self.message = message
        self.is_transient = is_transient


@dataclass(frozen=True)
class RetryPolicy:
    """How long a delivery is worth trying; the defaults are EventBridge's."""

    attempts: int = 185
    max_age: timedelta = timedelta(hours=24)


@dataclass(frozen=True)
class GivenUp:
    """Why a delivery will not be tried again."""

    failure: DeliveryFailed
    condition: str
    """``"MaximumRetryAttempts"``, ``"MaximumEventAgeInSeconds"``; empty if the failure isn't transient."""
    retries: int

    @property
    def attributes(self) -> dict[str, str]:
        """The reason as attributes of a dead letter."""
        return {
            "ERROR_CODE": self.failure.code,
            "ERROR_MESSAGE": self.failure.message,
            "EXHAUSTED_RETRY_CONDITION": self.condition,
            "RETRY_ATTEMPTS": str(self.retries),
        }


@dataclass
class Delivery:
    """One thing to bring to one target."""

    what: str
    """For people, such as ``"rule landing -> arn:..."``."""
    send: Callable[[int], None]
    """Brings it, given how often that was tried before; raises `DeliveryFailed`."""
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    delivered: Callable[[], None] | None = None
    given_up: Callable[[GivenUp], None] | None = None
    retries: int = 0
    since: datetime | None = None
    kept_as: str = ""
    """Its number in the cloud's state."""


@dataclass
class _UnderWay:
    delivery: Delivery
    number: int
    copies: int = 0


class DeliveryQueue:
    """Delivers on the cloud's workers; a thread of its own only waits for the next retry to fall due."""

    def __init__(self, cloud: CloudContext) -> None:
        self._cloud = cloud
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, int, Delivery]] = []
        self._numbers = itertools.count()
        self._under_way: dict[int, _UnderWay] = {}  # by the delivery's identity
        self._held: list[Delivery] | None = None
        self.deliver_twice = False
        """A fault for tests: everything is delivered two times, as at-least-once permits."""

    def open(self) -> None:
        """Start to look after retries."""
        threading.Thread(target=self._send_again, name="deliveries", daemon=True).start()

    def close(self) -> None:
        """Forget what waits; the cloud's ``stopped`` ends the thread."""
        with self._changed:
            self._waiting.clear()
            self._changed.notify_all()

    def post(self, delivery: Delivery) -> None:
        """Deliver soon, on another thread. Never blocks: it is called under the dispatcher's lock."""
        delivery.since = delivery.since or self._cloud.clock.now()
        delivery.kept_as = delivery.kept_as or self._cloud.keep_until_delivered(delivery)
        with self._changed:
            if self._held is not None:
                self._held.append(delivery)
                return
        self._start(delivery)

    def deliver(self, delivery: Delivery) -> None:
        """Try once, here and now; what fails transiently is tried again by the queue."""
        delivery.since = delivery.since or self._cloud.clock.now()
        delivery.kept_as = delivery.kept_as or self._cloud.keep_until_delivered(delivery)
        for _ in range(self._take_on(delivery)):
            self._try(delivery)

    @contextmanager
    def reordered(self) -> Iterator[None]:
        """A fault for tests: what is posted inside the block is held, and delivered last first when it ends."""
        with self._changed:
            self._held = []
        try:
            yield
        finally:
            with self._changed:
                held, self._held = self._held or [], None
            for delivery in reversed(held):
                self.deliver(delivery)

    def settle(self, timeout: float = 30.0) -> None:
        """Block until nothing is under way or waits for a retry.

        Raises
        ------
        TimeoutError
            Something still was, ``timeout`` seconds later.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: not self._under_way, timeout):
                raise TimeoutError(f"{len(self._under_way)} deliveries are still under way after {timeout} s")

    def going_on(self) -> list[Going]:
        """Every delivery that was neither made nor given up."""
        with self._changed:
            pauses = {id(delivery): due for due, _, delivery in self._waiting}
            return [
                Going(f"delivery {it.delivery.what}", f"delivery {it.number}", pauses.get(key))
                for key, it in self._under_way.items()
            ]

    def _take_on(self, delivery: Delivery) -> int:
        copies = 2 if self.deliver_twice else 1
        with self._changed:
            under_way = self._under_way.setdefault(id(delivery), _UnderWay(delivery, next(self._numbers)))
            under_way.copies += copies
        return copies

    def _start(self, delivery: Delivery) -> None:
        for _ in range(self._take_on(delivery)):
            try:
                self._cloud.workers.submit(self._try, delivery)
            except RuntimeError:  # the cloud is closing: its workers take nothing more
                self._finish(delivery)

    def _try(self, delivery: Delivery) -> None:
        try:
            delivery.send(delivery.retries)
            if delivery.delivered:
                delivery.delivered()
        except DeliveryFailed as failure:
            if self._retry(delivery, failure):
                return
        except Exception:
            if not self._cloud.stopped.is_set():
                logger.exception("%s broke", delivery.what)
        self._finish(delivery)

    def _finish(self, delivery: Delivery) -> None:
        self._cloud.delivered(delivery.kept_as)
        with self._changed:
            under_way = self._under_way[id(delivery)]
            under_way.copies -= 1
            if not under_way.copies:
                del self._under_way[id(delivery)]
            self._changed.notify_all()

    def _retry(self, delivery: Delivery, failure: DeliveryFailed) -> bool:
        """Put the delivery back, or give up; True if it will be tried again."""
        age = self._cloud.clock.now() - (delivery.since or self._cloud.clock.now())
        condition = ""
        if failure.is_transient and not self._cloud.stopped.is_set():
            if delivery.retries >= delivery.retry.attempts:
                condition = "MaximumRetryAttempts"
            elif age >= delivery.retry.max_age:
                condition = "MaximumEventAgeInSeconds"
            else:
                pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(delivery.retries, 10)) * random.uniform(0.5, 1)  # noqa: S311
                delivery.retries += 1
                with self._changed:
                    heapq.heappush(self._waiting, (time.monotonic() + pause, next(self._numbers), delivery))
                    self._changed.notify_all()
                return True
        if not self._cloud.stopped.is_set():
            logger.warning("%s was given up: %s", delivery.what, failure)
            if delivery.given_up:
                delivery.given_up(GivenUp(failure, condition, delivery.retries))
        return False

    def _send_again(self) -> None:
        while not self._cloud.stopped.is_set():
            with self._changed:
                pause = self._waiting[0][0] - time.monotonic() if self._waiting else 0.5
                if pause > 0 or not self._waiting:
                    self._changed.wait(min(pause, 0.5) if pause > 0 else 0.5)
                    continue
                delivery = heapq.heappop(self._waiting)[2]
            try:
                self._cloud.workers.submit(self._try, delivery)
            except RuntimeError:  # the cloud is closing
                return
