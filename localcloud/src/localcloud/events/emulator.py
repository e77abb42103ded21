"""The emulator of everything that travels between services: rules, topics, schedules."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from localcloud.events import (
    moto_patches,
    moto_patches_scheduler,
    moto_patches_sns,
    targets,
)
from localcloud.events.delivery import Delivery, DeliveryQueue
from localcloud.events.permissions import check_may_invoke
from localcloud.events.rules import Rules
from localcloud.events.scheduler import Schedules
from localcloud.events.sns import Topics
from localcloud.events.transform import dump
from localcloud.moto_patches.patches import Patches
from localcloud.rest import Going

if TYPE_CHECKING:
    from localcloud.context import CloudContext


class EventsEmulator:
    """EventBridge's rules, what S3 tells of its objects, SNS's subscriptions, and schedules.

    Attributes
    ----------
    deliveries : DeliveryQueue
        Carries every delivery; set ``deliveries.deliver_twice``, or use ``deliveries.reordered()``, to see whether
        handlers stand what at-least-once delivery permits.
    rules : Rules
        Matches events with rules.
    schedules : Schedules
        Fires what has a time, by the cloud's clock.
    topics : Topics
        Brings messages to subscriptions; ``topics.outbox.directory`` holds the e-mails.
    """

    def __init__(self, cloud: CloudContext) -> None:
        self._cloud = cloud
        self._patches = Patches()
        self.deliveries = DeliveryQueue(cloud)
        self.rules = Rules(cloud, self.deliveries)
        self.topics = Topics(cloud, self.deliveries)
        self.schedules = Schedules(cloud, self.deliveries, self.rules)

    def open(self) -> None:
        for module in (moto_patches, moto_patches_sns, moto_patches_scheduler):
            module.apply(self._patches)
        self.deliveries.open()
        moto_patches.active.emulator = self
        clock = self._cloud.clock
        clock.keep(self.schedules)
        attend = partial(clock.attend, self.schedules, self._cloud.stopped)
        threading.Thread(target=attend, name="schedules", daemon=True).start()

    def remember(self) -> Any:
        """For the state on disk: what fires when, and the tokens of subscriptions that aren't confirmed."""
        return {"schedules": self.schedules.remember(), "tokens": self.topics.tokens}

    def recall(self, remembered: Any) -> None:
        """Take up what `remember` returned."""
        self.schedules.recall(remembered["schedules"])
        self.topics.tokens.update(remembered["tokens"])

    def redeliver(self, delivery: Any, number: str) -> bool:
        """Deliver what the last cloud had taken on."""
        if not isinstance(delivery, Delivery):
            return False
        delivery.kept_as = number
        self.deliveries.post(delivery)
        return True

    def close(self) -> None:
        moto_patches.active.emulator = None
        self._patches.close()
        self._cloud.clock.forget(self.schedules)
        self.deliveries.close()

    @property
    def deliver_twice(self) -> bool:
        """Whether every delivery is made two times."""
        return self.deliveries.deliver_twice

    @deliver_twice.setter
    def deliver_twice(self, twice: bool) -> None:
        self.deliveries.deliver_twice = twice

    def reordered(self) -> AbstractContextManager[None]:
        """Hold what is sent inside the block and deliver it last first when the block ends."""
        return self.deliveries.reordered()

    def going_on(self) -> Iterable[Going]:
        """What is being delivered."""
        return self.deliveries.going_on()

    def settle(self, timeout: float = 30.0) -> None:
        """Block until every delivery was made or given up; functions that were invoked may still run."""
        self.deliveries.settle(timeout)

    def now(self) -> datetime:
        """The cloud's time."""
        return self._cloud.clock.now()

    def publish(
        self,
        source: str,
        detail_type: str,
        detail: dict[str, Any],
        *,
        resources: Sequence[str] = (),
        bus: str = "default",
    ) -> None:
        """Send an event as an AWS service does, such as ``"aws.ecs"``, ``"ECS Task State Change"``. Never blocks."""
        event = {"source": source, "detail-type": detail_type, "detail": detail, "resources": list(resources)}
        self.rules.publish(bus, event)

    def invoke_for_bucket(self, function_arn: str, records: dict[str, Any]) -> None:
        """Invoke a function that a bucket's own notification configuration names."""
        bucket_arn = records["Records"][0]["s3"]["bucket"]["arn"]
        self.deliveries.post(
            Delivery(
                what=f"{bucket_arn} -> {function_arn}",
                send=partial(self._invoke_for_bucket, function_arn, bucket_arn, dump(records)),
            )
        )

    def _invoke_for_bucket(self, function_arn: str, bucket_arn: str, body: str, _: int) -> None:
        check_may_invoke(self._cloud, function_arn, "s3.amazonaws.com", bucket_arn)
        targets.send(self._cloud, targets.TargetRequest(function_arn, body))
