"""The function behind the alarm topic, which decides who hears of an alarm."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pulumi
import pulumi_aws as aws

import headwater.handlers.alarms.manage
from headwater.infra.platform.alarm_topic import CAPABILITY, DeadLetters
from headwater.infra.platform.component import Component
from headwater.infra.platform.grants import Grant, Text, allow, policy_document, require_tls
from headwater.infra.platform.keys import ALARMS
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.tags import physical_name, tags


class AlarmManager(Component):
    """Records each alarm, counts repeats, and tells people once: by e-mail and webhooks.

    Each e-mail address must confirm its subscription. What can't be delivered becomes a dead letter, which raises an
    alarm of its own.
    """

    def __init__(self, name: str, platform: Platform, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, platform, opts)
        recipients = self._recipients(platform.config.alarm_emails, platform.dead_letters)
        function = self._function(
            "alarms-manage",
            headwater.handlers.alarms.manage,
            "control",
            memory_mib=256,
            timeout=timedelta(minutes=2),
            uses=[platform.registry.write(ALARMS), recipients],
            settings={
                "webhooks": _webhooks(platform.config.alarm_webhooks),
                "allow_http_webhooks": str(platform.config.alarm_allow_http_webhooks).lower(),
                "repeat_after_seconds": int(platform.config.alarm_repeat_after.total_seconds()),
            },
        )
        topic = platform.topic.topic
        permission = function.allow_invocation(name, service="sns", source_arn=topic.arn)
        aws.sns.TopicSubscription(
            name,
            topic=topic.arn,
            protocol="lambda",
            endpoint=function.arn,
            redrive_policy=platform.dead_letters.redrive_policy(),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[permission]),
        )
        self.register_outputs({})

    def _recipients(self, emails: Sequence[str], dead_letters: DeadLetters) -> Grant:
        """To publish to the topic that e-mail goes out by; without addresses there is none."""
        if not emails:
            return Grant(statements=(), settings={"notifications_topic_arn": ""})
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
        return allow(["sns:Publish"], topic.arn, settings={"notifications_topic_arn": topic.arn})


def _webhooks(addresses: Sequence[str]) -> Text:
    # A chat program's webhook is a password: it must not be readable in Pulumi's state.
    return pulumi.Output.secret(" ".join(addresses)) if addresses else ""
