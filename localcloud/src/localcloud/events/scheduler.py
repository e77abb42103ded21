"""Schedules fire by the cloud's clock: EventBridge Scheduler's, and rules that have a ScheduleExpression."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from moto.events.models import Rule
from moto.scheduler.models import Schedule, scheduler_backends

from localcloud.events import targets, universal
from localcloud.events.delivery import Delivery, DeliveryFailed, DeliveryQueue, GivenUp, RetryPolicy
from localcloud.events.expressions import Expression
from localcloud.events.rules import Rules, iso
from localcloud.events.transform import dump

if TYPE_CHECKING:
    from localcloud.context import CloudContext

logger = logging.getLogger(__name__)


@dataclass
class _Timetable:
    """When one schedule or rule fires next, for as long as its definition stays the same."""

    definition: tuple[Any, ...]
    expression: Expression
    next: datetime | None


class Schedules:
    """What moto knows of schedules, as appointments of the clock."""

    def __init__(self, cloud: CloudContext, deliveries: DeliveryQueue, rules: Rules) -> None:
        self._cloud = cloud
        self._deliveries = deliveries
        self._rules = rules
        self._made: dict[str, datetime] = {}
        self._timetables: dict[str, _Timetable] = {}

    def remember(self) -> Any:
        """For the state on disk: when each was made, and when it fires next."""
        return {"made": dict(self._made), "timetables": dict(self._timetables)}

    def recall(self, remembered: Any) -> None:
        """Take up what `remember` returned."""
        self._made.update(remembered["made"])
        self._timetables.update(remembered["timetables"])

    def note(self, arn: str) -> None:
        """A schedule or a rule was made or changed just now: its rate starts here."""
        self._made[arn] = self._cloud.clock.now()

    def next_due(self) -> datetime | None:
        self._look()
        return min((it.next for it in self._timetables.values() if it.next is not None), default=None)

    def run_due(self, now: datetime) -> None:
        entries = self._look()
        due = sorted((it.next, arn) for arn, it in self._timetables.items() if it.next is not None and it.next <= now)
        for scheduled, arn in due:
            timetable = self._timetables[arn]
            timetable.next = timetable.expression.next_after(max(now, scheduled))
            entry = entries[arn]
            if isinstance(entry, Rule):
                self._fire_rule(entry, scheduled)
            else:
                self._fire_schedule(entry, scheduled)
                if timetable.next is None and entry.action_after_completion == "DELETE":
                    self._delete(entry)

    def _look(self) -> dict[str, Rule | Schedule]:
        """All that has a time, with its timetable brought up to date."""
        with self._cloud.dispatcher.lock:
            entries: dict[str, Rule | Schedule] = {entry.arn: entry for entry in self._entries()}
            for arn, entry in entries.items():
                definition = _definition(entry)
                known = self._timetables.get(arn)
                if known is None or known.definition != definition:
                    expression, since = self._read(entry)
                    self._timetables[arn] = _Timetable(definition, expression, expression.next_after(since))
            for gone in set(self._timetables) - set(entries):
                del self._timetables[gone]
        return entries

    def _entries(self) -> Iterator[Rule | Schedule]:
        for bus in self._rules.backend().event_buses.values():
            for rule in bus.rules.values():
                if rule.scheduled_expression and rule.state.startswith("ENABLED"):
                    yield rule
        for group in scheduler_backends[self._cloud.account_id][self._cloud.region].schedule_groups.values():
            for schedule in group.schedules.values():
                if schedule.state == "ENABLED":
                    yield schedule

    def _read(self, entry: Rule | Schedule) -> tuple[Expression, datetime]:
        made = self._made.get(entry.arn) or self._cloud.clock.now()
        if isinstance(entry, Rule):
            text = entry.scheduled_expression or ""
            first = made
            if text.startswith("rate("):
                # A rule's countdown begins when it is made.
                first = Expression(text, first=made).next_after(made) or made
            return Expression(text, first=first), made
        start, end = _as_time(entry.start_date), _as_time(entry.end_date)
        expression = Expression(
            entry.schedule_expression,
            # The Scheduler's rates fire at once, or at the start date.
            first=max(start, made) if start is not None and start > made else made,
            zone=entry.schedule_expression_timezone or "UTC",
            start=start,
            end=end,
        )
        return expression, made - timedelta(microseconds=1)

    def _delete(self, schedule: Schedule) -> None:
        with self._cloud.dispatcher.lock:
            groups = scheduler_backends[self._cloud.account_id][self._cloud.region].schedule_groups
            if schedule.group_name in groups:
                groups[schedule.group_name].schedules.pop(schedule.name, None)

    # Firing

    def _fire_rule(self, rule: Rule, scheduled: datetime) -> None:
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": self._cloud.account_id,
            "time": iso(scheduled),
            "region": self._cloud.region,
            "resources": [rule.arn],
            "detail": {},
        }
        for target in tuple(rule.targets):
            self._deliveries.deliver(self._rules.delivery(rule, target, event))

    def _fire_schedule(self, schedule: Schedule, scheduled: datetime) -> None:
        target = dict(schedule.target)
        execution = uuid.uuid4().hex
        policy = target.get("RetryPolicy") or {}
        fire = partial(self._send, schedule, target, scheduled, execution)
        self._deliveries.deliver(
            Delivery(
                what=f"schedule {schedule.group_name}/{schedule.name} -> {target['Arn']}",
                send=fire,
                retry=RetryPolicy(
                    attempts=int(policy.get("MaximumRetryAttempts", 185)),
                    max_age=timedelta(seconds=int(policy.get("MaximumEventAgeInSeconds", 86_400))),
                ),
                given_up=partial(self._give_up, schedule, target, scheduled, execution),
            )
        )

    def _input(
        self, schedule: Schedule, target: Mapping[str, Any], scheduled: datetime, execution: str, attempt: int
    ) -> str:
        text = target.get("Input")
        if not text:
            # What AWS sends when nothing was said; the detail is a text here.
            return dump(
                {
                    "version": "0",
                    "id": execution,
                    "detail-type": "Scheduled Event",
                    "source": "aws.scheduler",
                    "account": self._cloud.account_id,
                    "time": iso(scheduled),
                    "region": self._cloud.region,
                    "resources": [schedule.arn],
                    "detail": "{}",
                }
            )
        for name, value in {
            "schedule-arn": schedule.arn,
            "scheduled-time": iso(scheduled),
            "execution-id": execution,
            "attempt-number": str(attempt),
        }.items():
            text = text.replace(f"<aws.scheduler.{name}>", value)
        return str(text)

    def _send(
        self, schedule: Schedule, target: Mapping[str, Any], scheduled: datetime, execution: str, retries: int
    ) -> None:
        self._count(schedule, "InvocationAttemptCount")
        body = self._input(schedule, target, scheduled, execution, retries + 1)
        arn = targets.Arn.parse(target["Arn"])
        try:
            if arn.service == "scheduler" and arn.resource.startswith("aws-sdk:"):
                universal.call(self._cloud, arn.resource.removeprefix("aws-sdk:"), body)
            elif arn.service == "events":
                options = target.get("EventBridgeParameters", {})
                event = {"source": options.get("Source"), "detail-type": options.get("DetailType")}
                self._rules.publish(arn.resource.removeprefix("event-bus/"), event | {"detail": _as_object(body)})
            else:
                targets.send(self._cloud, targets.TargetRequest(target["Arn"], body, target))
        except DeliveryFailed:
            self._count(schedule, "TargetErrorCount")
            raise

    def _give_up(
        self, schedule: Schedule, target: Mapping[str, Any], scheduled: datetime, execution: str, given_up: GivenUp
    ) -> None:
        self._count(schedule, "InvocationDroppedCount")
        queue = (target.get("DeadLetterConfig") or {}).get("Arn")
        if not queue:
            return
        attributes = {
            "SCHEDULE_ARN": schedule.arn,
            "TARGET_ARN": target["Arn"],
            "EXECUTION_ID": execution,
            "SCHEDULED_TIME": iso(scheduled),
            **given_up.attributes,
            "IS_PAYLOAD_TRUNCATED": "false",
        }
        body = self._input(schedule, target, scheduled, execution, given_up.retries + 1)
        try:
            targets.send_dead_letter(self._cloud, queue, body, attributes)
        except Exception:
            logger.exception("schedule %s: the dead letter was lost too", schedule.name)
            self._count(schedule, "InvocationsFailedToBeSentToDeadLetterCount")
        else:
            self._count(schedule, "InvocationsSentToDeadLetterCount")

    def _count(self, schedule: Schedule, metric: str) -> None:
        self._cloud.put_metric("AWS/Scheduler", metric, [1.0], {"ScheduleGroup": schedule.group_name})


def _definition(entry: Rule | Schedule) -> tuple[Any, ...]:
    """What a change of starts the timetable anew."""
    if isinstance(entry, Rule):
        return (entry.scheduled_expression,)
    return (entry.schedule_expression, entry.schedule_expression_timezone, entry.start_date, entry.end_date)


def _as_time(value: Any) -> datetime | None:
    if value is None or value == "":
        return None
    if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
        return datetime.fromisoformat(value).astimezone(UTC)
    return datetime.fromtimestamp(float(value), UTC)


def _as_object(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise DeliveryFailed("INVALID_JSON", f"Input is not JSON: {error}") from error
