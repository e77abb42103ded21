"""The function behind the alarm topic, which decides who hears of an alarm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import pulumi
import pulumi_aws as aws

import headwater.handlers.alarms.manage
from headwater.infra.alarms import CAPABILITY, DeadLetters
from headwater.infra.function import Foundation, Function, FunctionArgs
from headwater.infra.grants import Grant, Text, allow, policy_document, require_tls
from headwater.infra.tables import ALARMS, Table
from headwater.infra.tags import physical_name, tags


@dataclass(frozen=True, kw_only=True)
class AlarmManagerArgs:
    """Where alarms are written down; recipients are the stack's configuration."""

    foundation: Foundation
    registry: Table


class AlarmManager(pulumi.ComponentResource):
    """Records each alarm, counts repeats, and tells people once: by e-mail and webhooks.

    Each e-mail address must confirm its subscription. What can't be delivered becomes a dead letter, which raises an
    alarm of its own.
    """

    def __init__(self, name: str, args: AlarmManagerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:index:AlarmManager", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        foundation = args.foundation
        recipients, grants = self._recipients(foundation.config.alarm_emails, foundation.dead_letters)
        function = Function(
            "alarms-manage",
            FunctionArgs(
                foundation=foundation,
                capability=CAPABILITY,
                handler=headwater.handlers.alarms.manage,
                settings={
                    "registry_table": args.registry.name,
                    "notifications_topic_arn": recipients,
                    "webhooks": _webhooks(foundation.config.alarm_webhooks),
                    "allow_http_webhooks": str(foundation.config.alarm_allow_http_webhooks).lower(),
                    "repeat_after_seconds": int(foundation.config.alarm_repeat_after.total_seconds()),
                },
                bundle="control",
                memory_mib=256,
                timeout=timedelta(minutes=2),
                grants=[args.registry.grant_read_write(ALARMS), *grants],
            ),
            opts=self._child,
        )
        topic = foundation.topic.topic
        permission = function.allow_invocation(name, service="sns", source_arn=topic.arn)
        aws.sns.TopicSubscription(
            name,
            topic=topic.arn,
            protocol="lambda",
            endpoint=function.arn,
            redrive_policy=foundation.dead_letters.redrive_policy(),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[permission]),
        )
        self.register_outputs({})

    def _recipients(self, emails: Sequence[str], dead_letters: DeadLetters) -> tuple[Text, list[Grant]]:
        """The topic that e-mail goes out by, and the right to publish to it; empty without addresses."""
        if not emails:
            return "", []
        name = "notifications"
        topic = aws.sns.Topic(
            name, name=physical_name(name, "other"), tags=tags(capability=CAPABILITY), opts=self._child
        )
        aws.sns.TopicPolicy(
            name,
            arn=topic.arn,
            policy=policy_document([{**require_tls(topic.arn), "Action": "sns:Publish"}]),
            opts=self._child,
        )
        for number, address in enumerate(emails, start=1):
            aws.sns.TopicSubscription(
                f"{name}-{number}",
                topic=topic.arn,
                protocol="email",
                endpoint=address,
                redrive_policy=dead_letters.redrive_policy(),
                opts=self._child,
            )
        return topic.arn, [allow(["sns:Publish"], topic.arn)]


def _webhooks(addresses: Sequence[str]) -> Text:
    # A chat program's webhook is a password: it must not be readable in Pulumi's state.
    return pulumi.Output.secret(" ".join(addresses)) if addresses else ""
