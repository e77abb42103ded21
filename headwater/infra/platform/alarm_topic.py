"""Alarms: the topic that every alarm reports to, and the queue where unhandled events end."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pulumi
import pulumi_aws as aws

from headwater.alarms.events import mark
from headwater.infra.platform.buckets import Account
from headwater.infra.platform.grants import Grant, Text, allow, policy_document, require_tls
from headwater.infra.platform.tags import any_name, physical_name, tags

CAPABILITY = "alarms"
MAIL = "notifications"
THROTTLED = "functions-throttled"
RUNBOOKS: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("AWS/Lambda", "Throttles"): "function-throttles",
        ("AWS/States", "ExecutionsFailed"): "execution-failed",
        ("AWS/States", "ExecutionsTimedOut"): "execution-timed-out",
        ("Headwater", "ModelAlarm"): "model-alarm",
    }
)
"""Pages of docs/runbooks that alarms of a kind share, by namespace and metric; others have one by their name."""
CRITICAL = frozenset({"dead-letters", "serving-api-5xx"})
"""Alarms that mean that users are failed, or that something was given up; the others are warnings."""


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """When a metric is bad enough for people to hear of it."""

    above: float
    statistic: str = "Sum"
    """``Sum``, ``Maximum``, ... or a percentile such as ``p95``."""
    period: timedelta = timedelta(minutes=1)
    bad_periods: int = 1
    periods: int = 1
    """How many periods are looked at; ``bad_periods`` of them must be above."""


class AlarmTopic(pulumi.ComponentResource):
    """The topic that every alarm reports to, when it goes off and when it is over.

    Not encrypted with a key of KMS: CloudWatch can't publish through AWS's own key, a key of ours costs more a month
    than the rest of an idle stack, and an alarm holds names and numbers (docs/decisions/0012).
    """

    def __init__(
        self, name: str, *, account: Account, by_mail: bool = False, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """``by_mail``: whether there are addresses, and so a topic that e-mail goes out by."""
        super().__init__("headwater:index:AlarmTopic", name, {}, opts)
        self._child, self._account = pulumi.ResourceOptions(parent=self), account
        self.topic, self.arn = self._topic(name, self._child)
        # It was the alarm manager's: made anew it would have the old one's name, and go with it.
        moved = pulumi.Alias(parent=pulumi.create_urn("alarm-manager", "headwater:index:AlarmManager"))
        by = pulumi.ResourceOptions(parent=self, aliases=[moved])
        self.mail = self._topic(MAIL, by)[1] if by_mail else None
        """ARN of the topic that e-mail goes out by."""
        self.register_outputs({"arn": self.arn})

    def _topic(self, name: str, opts: pulumi.ResourceOptions) -> tuple[aws.sns.Topic, pulumi.Output[str]]:
        """A topic that takes alarms, and its ARN once it does."""
        topic = aws.sns.Topic(name, name=physical_name(name, "other"), tags=tags(capability=CAPABILITY), opts=opts)
        from_alarms = {
            "Sid": "TakeAlarms",
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": [topic.arn],
            "Condition": {
                "StringEquals": {"aws:SourceAccount": self._account.id},
                "ArnLike": {"aws:SourceArn": self._account.arn("cloudwatch", f"alarm:{any_name()}")},
            },
        }
        refuse_plain_text = {**require_tls(topic.arn), "Action": "sns:Publish"}
        policy = aws.sns.TopicPolicy(
            name, arn=topic.arn, policy=policy_document([from_alarms, refuse_plain_text]), opts=opts
        )
        return topic, pulumi.Output.all(topic.arn, policy.id).apply(lambda known: str(known[0]))

    def watch(
        self,
        name: str,
        *,
        capability: str,
        namespace: str,
        metric: str,
        dimensions: Mapping[str, Text],
        threshold: Threshold,
        description: str,
        parent: pulumi.Resource,
        also_tell: Sequence[Text] = (),
    ) -> aws.cloudwatch.MetricAlarm:
        """An alarm on one metric; people read ``description``. No data is no alarm: an idle stack is a healthy one.

        ``also_tell`` are ARNs of topics beside this one.
        """
        is_percentile = threshold.statistic.startswith("p")
        statistic: dict[str, Any] = {"extended_statistic" if is_percentile else "statistic": threshold.statistic}
        return aws.cloudwatch.MetricAlarm(
            name,
            name=physical_name(name, "other"),
            alarm_description=f"{description}{mark(_labels(name, namespace, metric, capability))}",
            namespace=namespace,
            metric_name=metric,
            dimensions=dict(dimensions),
            **statistic,
            period=int(threshold.period.total_seconds()),
            evaluation_periods=threshold.periods,
            datapoints_to_alarm=threshold.bad_periods,
            threshold=threshold.above,
            comparison_operator="GreaterThanThreshold",
            treat_missing_data="notBreaching",
            alarm_actions=[self.arn, *also_tell],
            ok_actions=[self.arn, *also_tell],
            tags=tags(capability=capability),
            opts=pulumi.ResourceOptions(parent=parent),
        )

    def watch_failures(
        self, alarms: Mapping[str, tuple[str, str]], *, namespace: str, dimensions: Mapping[str, Text],
        capability: str, parent: pulumi.Resource,
    ) -> None:  # fmt: skip
        """An alarm on each metric that counts failures: by the alarm's name, the metric and the description."""
        for name, (metric, description) in alarms.items():
            self.watch(
                name,
                capability=capability,
                namespace=namespace,
                metric=metric,
                dimensions=dimensions,
                threshold=Threshold(above=0),
                description=description,
                parent=parent,
            )

    def watch_throttles(self, parent: pulumi.Resource) -> None:
        """One alarm for all functions: throttled events wait for hours before they are dead letters.

        Lambda writes the metric without a dimension, too: of all functions of the account in the region. They share its
        concurrency.
        """
        self.watch_failures(
            {
                THROTTLED: (
                    "Throttles",
                    "A function of this account and region was throttled: it reached its own or the account's "
                    "concurrency. The page says how to see which.",
                )
            },
            namespace="AWS/Lambda",
            dimensions={},
            capability=CAPABILITY,
            parent=parent,
        )


def _labels(name: str, namespace: str, metric: str, capability: str) -> dict[str, str]:
    """Labels of an alarm beside those that its dimensions tell: CloudWatch's messages leave out its tags."""
    return {
        "capability": capability,
        "kind": re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", metric).lower(),
        "severity": "critical" if name in CRITICAL else "warning",
        "runbook": RUNBOOKS.get((namespace, metric), name),
    }


class DeadLetters(pulumi.ComponentResource):
    """Where every event ends that couldn't be handled: for fourteen days, and with an alarm.

    One queue for the stack: each message says which function, rule, schedule or subscription gave up on it and why.
    """

    def __init__(
        self, name: str, *, account: Account, topic: AlarmTopic, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("headwater:index:DeadLetters", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.queue = aws.sqs.Queue(
            name,
            name=physical_name(name, "queue"),
            message_retention_seconds=int(timedelta(days=14).total_seconds()),
            sqs_managed_sse_enabled=True,
            tags=tags(capability=CAPABILITY),
            opts=child,
        )
        take = [
            {
                "Sid": f"TakeFrom{service.capitalize()}",
                "Effect": "Allow",
                "Principal": {"Service": f"{service}.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": [self.queue.arn],
                "Condition": {"ArnLike": {"aws:SourceArn": account.arn(service, f"{resource}{any_name()}")}},
            }
            for service, resource in {"events": "rule/", "sns": ""}.items()
        ]
        policy = aws.sqs.QueuePolicy(
            name,
            queue_url=self.queue.url,
            policy=policy_document([*take, {**require_tls(self.queue.arn), "Action": "sqs:*"}]),
            opts=child,
        )
        self.arn, self.url = (
            pulumi.Output.all(self.queue.arn, policy.id).apply(lambda known: str(known[0])),
            self.queue.url,
        )
        topic.watch(
            name,
            capability=CAPABILITY,
            namespace="AWS/SQS",
            metric="ApproximateNumberOfMessagesVisible",
            dimensions={"QueueName": self.queue.name},
            threshold=Threshold(above=0, statistic="Maximum", period=timedelta(minutes=5)),
            description="An event was given up on and lies in the dead-letter queue; its message says whose and why.",
            parent=self,
            # An alarm manager that is broken can't tell of itself.
            also_tell=[topic.mail] if topic.mail is not None else [],
        )
        topic.watch_throttles(self)
        self.register_outputs({"arn": self.arn})

    def send(self) -> Grant:
        """To give up on an event."""
        return allow(["sqs:SendMessage"], self.queue.arn)

    def redrive_policy(self) -> pulumi.Output[str]:
        """As an SNS subscription wants to be told."""
        return self.arn.apply(lambda arn: json.dumps({"deadLetterTargetArn": arn}))
