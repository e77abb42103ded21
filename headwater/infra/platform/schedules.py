"""Schedules of EventBridge Scheduler that start one thing, each with an input of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from headwater.infra.platform.grants import Grant, Role, Text
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.tags import cut, physical_name, tags


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


def start_on_schedules(
    name: str,
    platform: Platform,
    starts: Iterable[Start],
    *,
    target: Text,
    grant: Grant,
    role: str,
    capability: str,
    parent: pulumi.Resource,
) -> aws.scheduler.ScheduleGroup:
    """A group of schedules, and the role that they start ``target`` with; a start that fails becomes a dead letter.

    Parameters
    ----------
    name, role : str
        Of the group and of the role.
    starts : iterable of Start
        The schedules.
    target : text
        ARN of a function or a state machine.
    grant : Grant
        To start it.
    """
    child, labels = pulumi.ResourceOptions(parent=parent), tags(capability=capability)
    group = aws.scheduler.ScheduleGroup(name, name=physical_name(name, "schedule group"), tags=labels, opts=child)
    starter = Role(
        role,
        service="scheduler.amazonaws.com",
        grants=[grant, platform.dead_letters.send()],
        capability=capability,
        # EventBridge Scheduler passes the group as the source.
        trust_conditions={"StringEquals": {"aws:SourceAccount": platform.account.id, "aws:SourceArn": group.arn}},
        opts=child,
    )
    for start in starts:
        aws.scheduler.Schedule(
            start.name,
            name=cut(start.called, 64),
            group_name=group.name,
            description=start.description,
            schedule_expression=start.expression,
            schedule_expression_timezone=start.timezone,
            flexible_time_window=_window(start.window_minutes),
            target={
                "arn": target,
                "role_arn": starter.ready,
                "input": json.dumps(start.event),
                "retry_policy": {"maximum_event_age_in_seconds": 3600, "maximum_retry_attempts": 10},
                "dead_letter_config": {"arn": platform.dead_letters.arn},
            },
            opts=child,
        )
    return group
