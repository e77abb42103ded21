"""EventBridge's rules: an event on a bus reaches the targets of every rule whose pattern it matches."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from moto.events.models import EventsBackend, Rule, events_backends

from localcloud.events import targets
from localcloud.events.delivery import Delivery, DeliveryFailed, DeliveryQueue, GivenUp, RetryPolicy
from localcloud.events.permissions import check_may_invoke
from localcloud.events.transform import Event, InputInvalid, dump, target_input

if TYPE_CHECKING:
    from moto.events.utils import EventMessageType

    from localcloud.context import CloudContext

logger = logging.getLogger(__name__)


class Rules:
    """Matches events with rules and posts them to targets; never blocks while the dispatcher's lock is held."""

    def __init__(self, cloud: CloudContext, deliveries: DeliveryQueue) -> None:
        self._cloud = cloud
        self._deliveries = deliveries

    def backend(self) -> EventsBackend:
        """Moto's EventBridge in the cloud's account and region."""
        return events_backends[self._cloud.account_id][self._cloud.region]

    def publish(self, bus: str, event: Mapping[str, Any]) -> None:
        """Put ``event`` on the bus of that name; id, time, account and region are filled in if they aren't there."""
        whole: Event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "",
            "source": "",
            "account": self._cloud.account_id,
            "time": iso(self._cloud.clock.now()),
            "region": self._cloud.region,
            "resources": [],
            "detail": {},
        } | dict(event)
        with self._cloud.dispatcher.lock:
            found = self.backend().event_buses.get(bus)
            rules = list(found.rules.values()) if found else []
            for rule in rules:
                self.offer(rule, whole)

    def offer(self, rule: Rule, event: Mapping[str, Any]) -> None:
        """Post ``event`` to the rule's targets if the rule is enabled and its pattern matches."""
        if not rule.state.startswith("ENABLED"):
            return
        event = dict(event)
        # Moto adds the ingestion time to the event itself and writes times as numbers; events carry neither.
        event.pop("ingestion-time", None)
        event["time"] = as_iso(event.get("time"), self._cloud.clock.now())
        if not rule.event_pattern.matches_event(cast("EventMessageType", event)):
            return
        if rule.managed_by == "prod.vhs.events.aws.internal":
            self._archive(rule, event)
            return
        self._cloud.aside(self._count, rule, "MatchedEvents")
        for target in tuple(rule.targets):
            self._deliveries.post(self.delivery(rule, target, event))

    def delivery(self, rule: Rule, target: Mapping[str, Any], event: Event) -> Delivery:
        """How ``event`` gets to ``target``, with the target's own retry policy and dead-letter queue."""
        policy = target.get("RetryPolicy") or {}
        return Delivery(
            what=f"rule {rule.name} -> {target['Arn']}",
            send=partial(self._send, rule, dict(target), event, iso(self._cloud.clock.now())),
            retry=RetryPolicy(
                attempts=int(policy.get("MaximumRetryAttempts", 185)),
                max_age=timedelta(seconds=int(policy.get("MaximumEventAgeInSeconds", 86_400))),
            ),
            delivered=partial(self._count, rule, "Invocations"),
            given_up=partial(self._give_up, rule, dict(target), event),
        )

    def _send(self, rule: Rule, target: Mapping[str, Any], event: Event, ingested: str, _: int) -> None:
        try:
            body = target_input(target, event, rule_arn=rule.arn, ingested=ingested)
        except InputInvalid as error:
            raise DeliveryFailed("INVALID_JSON", str(error)) from error
        arn = targets.Arn.parse(target["Arn"])
        if arn.service == "events" and arn.resource.startswith("event-bus/"):
            # A bus gets the event itself: its id, time and source travel on.
            self.publish(arn.resource.removeprefix("event-bus/"), event)
            return
        if arn.service == "lambda":
            check_may_invoke(self._cloud, target["Arn"], "events.amazonaws.com", rule.arn)
        targets.send(self._cloud, targets.TargetRequest(target["Arn"], body, target))

    def _give_up(self, rule: Rule, target: Mapping[str, Any], event: Event, given_up: GivenUp) -> None:
        self._count(rule, "Invocations")
        self._count(rule, "FailedInvocations")
        queue = (target.get("DeadLetterConfig") or {}).get("Arn")
        if not queue:
            return
        attributes = {"RULE_ARN": rule.arn, "TARGET_ARN": target["Arn"], **given_up.attributes}
        try:
            targets.send_dead_letter(self._cloud, queue, dump(event), attributes)
        except Exception:
            logger.exception("rule %s: the dead letter was lost too", rule.name)
            self._count(rule, "InvocationsFailedToBeSentToDlq")
        else:
            self._count(rule, "InvocationsSentToDlq")

    def _archive(self, rule: Rule, event: Event) -> None:
        archive = self.backend().archives.get(rule.name.removeprefix("Events-Archive-"))
        if archive is not None:
            archive.events.append(cast("EventMessageType", event))

    def _count(self, rule: Rule, metric: str) -> None:
        if self._cloud.stopped.is_set():
            return
        dimensions = {"RuleName": rule.name}
        if rule.event_bus_name != "default":
            dimensions["EventBusName"] = rule.event_bus_name
        self._cloud.put_metric("AWS/Events", metric, [1.0], dimensions)


def iso(moment: datetime) -> str:
    """A time as events carry it: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def as_iso(time: Any, default: datetime) -> str:
    """Moto's idea of an event's time (a number, a text, nothing) as events carry it."""
    if isinstance(time, datetime):
        return iso(time)
    if isinstance(time, str) and not time.replace(".", "", 1).isdigit():
        return time or iso(default)
    return iso(datetime.fromtimestamp(float(time), UTC)) if time else iso(default)
