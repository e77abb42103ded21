"""Schedules of EventBridge Scheduler that start one thing, each with an input of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from headwater.declare import Schedule
from headwater.infra.platform.grants import Grant, Role, Text
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.tags import cut, physical_name, tags
from headwater.schedules.waking import wake_of


@dataclass(frozen=True, kw_only=True)
class Start:
    """One schedule."""

    name: str
    """Name of the resource."""
    called: str
    """On AWS, within the group."""
    expression: str
    """As EventBridge Scheduler takes it: ``cron(...)`` or ``rate(...)``."""
    timezone: str
    """IANA time zone that a cron expression is read in."""
    window_minutes: int = 0
    """Minutes within which it may start; 0: at once."""
    description: str
    event: Mapping[str, object]
    """Input of what is started."""


def _window(minutes: int) -> aws.scheduler.ScheduleFlexibleTimeWindowArgs:
    if not minutes:
        return aws.scheduler.ScheduleFlexibleTimeWindowArgs(mode="OFF")
    return aws.scheduler.ScheduleFlexibleTimeWindowArgs(mode="FLEXIBLE", maximum_window_in_minutes=minutes)


class Starts:
    """A group of schedules, and the role that they start ``target`` with; a start that fails becomes a dead letter.

    Parameters
    ----------
    name, role : str
        Of the group and of the role.
    target : text
        ARN of a function or a state machine.
    grant : Grant
        To start it.
    """

    def __init__(
        self,
        name: str,
        platform: Platform,
        *,
        target: Text,
        grant: Grant,
        role: str,
        capability: str,
        parent: pulumi.Resource,
    ) -> None:
        self._platform, self._target, self._parent = platform, target, parent
        child, labels = pulumi.ResourceOptions(parent=parent), tags(capability=capability)
        self.group = aws.scheduler.ScheduleGroup(
            name, name=physical_name(name, "schedule group"), tags=labels, opts=child
        )
        # EventBridge Scheduler passes the group as the source.
        trust: dict[str, dict[str, Text]] = {
            "StringEquals": {"aws:SourceAccount": platform.account.id, "aws:SourceArn": self.group.arn}
        }
        self._starter = Role(
            role,
            service="scheduler.amazonaws.com",
            grants=[grant, platform.dead_letters.send()],
            capability=capability,
            trust_conditions=trust,
            opts=child,
        )

    def add(self, start: Start, *, after: Sequence[pulumi.Resource] = ()) -> None:
        """One schedule more, once ``after`` is there."""
        aws.scheduler.Schedule(
            start.name,
            name=cut(start.called, 64),
            group_name=self.group.name,
            description=start.description,
            schedule_expression=start.expression,
            schedule_expression_timezone=start.timezone,
            flexible_time_window=_window(start.window_minutes),
            target={
                "arn": self._target,
                "role_arn": self._starter.ready,
                "input": json.dumps(start.event),
                "retry_policy": {"maximum_event_age_in_seconds": 3600, "maximum_retry_attempts": 10},
                "dead_letter_config": {"arn": self._platform.dead_letters.arn},
            },
            opts=pulumi.ResourceOptions(parent=self._parent, depends_on=list(after)),
        )


def waking(name: str, schedule: Schedule) -> Start:
    """The schedule that wakes the ledger of the schedule ``name``."""
    wake = wake_of(schedule)
    return Start(
        name=name,
        called=name,
        expression=wake.expression,
        timezone=wake.zone,
        window_minutes=wake.window_minutes,
        description=f"Wakes the ledger of the schedule {name}.",
        # EventBridge Scheduler fills the time in that the wake was planned for.
        event={"schedule": name, "scheduled": "<aws.scheduler.scheduled-time>"},
    )


def ended(machine_arns: Sequence[str]) -> str:
    """The pattern of events that say that a run of one of the machines is over."""
    return json.dumps(
        {
            "source": ["aws.states"],
            "detail-type": ["Step Functions Execution Status Change"],
            "detail": {
                "stateMachineArn": list(machine_arns),
                "status": ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"],
            },
        }
    )
