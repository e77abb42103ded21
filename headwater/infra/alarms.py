"""The function behind the alarm topic, which decides who hears of an alarm, and its queue of timers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta

import pulumi
import pulumi_aws as aws

import headwater.handlers.alarms.answer
import headwater.handlers.alarms.manage
from headwater import routes
from headwater.alarms.links import parameter_name
from headwater.alarms.store import DECLARED_KEY
from headwater.alarms.store import QUEUE_NAME as QUEUE
from headwater.declare.alarms import (
    Alarms,
    EventBus,
    Retrain,
    configured_alarms,
    load_alarms,
    secrets_of,
    with_retraining,
)
from headwater.declare.base import InvalidProduct
from headwater.infra.platform.alarm_topic import CAPABILITY, MAIL, DeadLetters
from headwater.infra.platform.component import Component
from headwater.infra.platform.config import Config
from headwater.infra.platform.function import Function
from headwater.infra.platform.grants import Grant, Role, Text, allow, merge
from headwater.infra.platform.keys import ALARMS
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.secrets import read_secrets
from headwater.infra.platform.tags import physical_name, prefix, tags
from headwater.infra.platform.uses import make_signing_keys, read_signing_keys
from headwater.infra.serving import Serving
from headwater.project import project
from headwater.retraining.asking import FUNCTION as POLICY

TIMEOUT = timedelta(minutes=2)
TRIES = 5
DAILY = "rate(1 day)"
# API Gateway waits 30 seconds at most.
ANSWER_TIMEOUT = timedelta(seconds=29)
ROUTES = {
    "list": routes.ALARMS,
    "show": routes.ALARM,
    "ack": routes.ACK,
    "unack": routes.UNACK,
    "snooze": routes.SNOOZE,
    "close": routes.CLOSE,
    "mutes": routes.MUTES,
    "new-mute": routes.NEW_MUTE,
    "mute": routes.MUTE,
    "end-mute": routes.END_MUTE,
    "beat": routes.BEAT,
    "page": routes.ALARM_PAGE,
    "page-sent": routes.ALARM_PAGE_SENT,
}
"""Routes of people and their programs, by what their resources are called."""


class AlarmManager(Component):
    """Records each alarm, groups alarms, and tells people by the routes of the project's ``alarms.py``.

    Without that file each alarm is told alone and at once, to the e-mail addresses and webhooks of the settings. Each
    e-mail address must confirm its subscription. A notification that can't be delivered becomes a dead letter, which
    raises an alarm of its own. Idle it costs nothing: timers are messages of a queue, or one-time schedules.

    Parameters
    ----------
    alarms : Alarms, optional
        Routes and receivers; by default those of ``alarms.py`` in the project's root.
    serving : Serving, optional
        The API that people and their programs ask by, and that the links of notifications lead to; without it there is
        neither.
    """

    def __init__(
        self,
        name: str,
        platform: Platform,
        *,
        alarms: Alarms | None = None,
        serving: Serving | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, platform, opts)
        declared = _with_retraining(alarms or declared_for(platform.config), platform)
        queue = self._queue(QUEUE, capability=CAPABILITY, timeout=TIMEOUT, tries=TRIES)
        kept, content = self._declared(platform, declared)
        if serving is not None:
            self._answer(platform, serving, queue, kept, content)
        function = self._manage(platform, declared, queue, (kept, content), serving)
        aws.lambda_.EventSourceMapping(
            name,
            event_source_arn=queue.arn,
            function_name=function.arn,
            # One at a time: a receiver that hangs holds up no other.
            batch_size=1,
            tags=tags(capability=CAPABILITY),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[function]),
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
        audit = "alarms-audit"
        description = "Finds groups of alarms whose timers were lost."
        function.call_by_rule(audit, schedule=DAILY, target="audit", description=description, parent=self)
        self.register_outputs({})

    def _declared(self, platform: Platform, declared: Alarms) -> tuple[Grant, Text]:
        """Lets functions read the routes, and starts them anew when these change."""
        content = declared.model_dump_json()
        kept = aws.s3.BucketObjectv2(
            "alarms-declared",
            bucket=platform.artifacts.ready,
            key=DECLARED_KEY,
            content=content,
            content_type="application/json",
            tags=tags(capability=CAPABILITY),
            opts=self._child,
        )
        return platform.artifacts.read(DECLARED_KEY), kept.id.apply(
            lambda _: hashlib.sha256(content.encode()).hexdigest()
        )

    def _answer(self, platform: Platform, serving: Serving, queue: aws.sqs.Queue, kept: Grant, sha256: Text) -> None:
        """The function behind people's routes. It sends nobody anything: it changes groups and mutes, and wakes."""
        function = self._function(
            "alarms-answer",
            headwater.handlers.alarms.answer,
            "control",
            timeout=ANSWER_TIMEOUT,
            uses=[
                platform.registry.write(ALARMS),
                kept,
                allow(["sqs:SendMessage"], queue.arn, settings={"alarms_queue_url": queue.url}),
                read_signing_keys(platform, _link_key(), "link_key"),
            ],
            settings={"declared_sha256": sha256, "stack": f"{pulumi.get_project()}/{pulumi.get_stack()}"},
        )
        serving.routes("alarms-answer", ROUTES, function)

    def _manage(
        self,
        platform: Platform,
        declared: Alarms,
        queue: aws.sqs.Queue,
        kept: tuple[Grant, Text],
        serving: Serving | None,
    ) -> Function:
        group, role = self._schedules(queue)
        receive = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:SendMessage"]
        schedules = pulumi.Output.concat(platform.account.arn("scheduler", "schedule/"), group.name, "/*")
        config = platform.config
        return self._function(
            "alarms-manage",
            headwater.handlers.alarms.manage,
            "control",
            memory_mib=256,
            timeout=TIMEOUT,
            uses=[
                platform.registry.write(ALARMS),
                kept[0],
                allow(receive, queue.arn, settings={"alarms_queue_url": queue.url, "alarms_queue_arn": queue.arn}),
                allow(
                    ["scheduler:CreateSchedule"],
                    schedules,
                    wildcard="a schedule is made by who needs it, under a name that isn't known before",
                    settings={"schedule_group": group.name},
                ),
                merge(role.pass_to("scheduler.amazonaws.com"), _setting("schedule_role_arn", role.ready)),
                merge(platform.dead_letters.send(), _setting("dead_letters_url", platform.dead_letters.url)),
                self._recipients(config.alarm_emails, platform.dead_letters),
                # Whatever names it is given, IAM asks for all: aws-samples/amazon-cloudwatch-auto-alarms#1.
                allow(
                    ["cloudwatch:DescribeAlarms"],
                    platform.account.arn("cloudwatch", "alarm:*"),
                    wildcard="CloudWatch authorises a list of alarms by all of them",
                ),
                _receivers(platform, declared),
                *([make_signing_keys(platform, _link_key(), "link_key", "link_kms_key")] if serving else []),
            ],
            settings={
                "declared_sha256": kept[1],
                **({"api_url": serving.url} if serving else {}),
                "stack": f"{pulumi.get_project()}/{pulumi.get_stack()}",
                "prefix": prefix(),
                "webhooks": _webhooks(config.alarm_webhooks),
                "allow_http_webhooks": str(config.alarm_allow_http_webhooks).lower(),
            },
        )

    def _schedules(self, queue: aws.sqs.Queue) -> tuple[aws.scheduler.ScheduleGroup, Role]:
        """The group of one-time schedules, and the role that lets them send to the queue."""
        group = aws.scheduler.ScheduleGroup(
            QUEUE, name=physical_name(QUEUE, "schedule group"), tags=tags(capability=CAPABILITY), opts=self._child
        )
        role = Role(
            f"{QUEUE}-timers",
            service="scheduler.amazonaws.com",
            grants=[allow(["sqs:SendMessage"], queue.arn)],
            capability=CAPABILITY,
            trust_conditions={
                "StringEquals": {"aws:SourceAccount": self._platform.account.id, "aws:SourceArn": group.arn}
            },
            opts=self._child,
        )
        return group, role

    def _recipients(self, emails: Sequence[str], dead_letters: DeadLetters) -> Grant:
        """To publish to the topic that e-mail goes out by; without addresses there is none."""
        topic = self._platform.topic.mail
        if topic is None:
            return Grant(statements=(), settings={"notifications_topic_arn": ""})
        for number, address in enumerate(emails, start=1):
            aws.sns.TopicSubscription(
                f"{MAIL}-{number}",
                topic=topic,
                protocol="email",
                endpoint=address,
                redrive_policy=dead_letters.redrive_policy(),
                opts=self._child,
            )
        return allow(["sns:Publish"], topic, settings={"notifications_topic_arn": topic})


def declared_for(config: Config) -> Alarms:
    """The project's ``alarms.py``, or what the settings alone say.

    Raises
    ------
    pulumi.RunError
        The file is wrong; nothing is deployed.
    """
    try:
        found = load_alarms(project())
    except InvalidProduct as error:
        raise pulumi.RunError(f"the alarms' routes have a problem; nothing was deployed: {error.message}") from None
    if found is None:
        return configured_alarms(
            emails=len(config.alarm_emails),
            webhooks=len(config.alarm_webhooks),
            repeat_interval=config.alarm_repeat_after,
        )
    _check_settings(found, config)
    return found


def _with_retraining(declared: Alarms, platform: Platform) -> Alarms:
    """The routes, and those that bring models' alarms to their retraining policies."""
    models = platform.products.models
    for receiver in declared.receivers:
        if isinstance(receiver, Retrain) and receiver.model not in models:
            there = ", ".join(sorted(models)) or "none"
            raise pulumi.RunError(f"alarms.py: receiver {receiver.name!r}: there is no such model; there are {there}")
    return with_retraining(declared, [name for name, model in models.items() if model.retraining.by_alarm])


def _check_settings(declared: Alarms, config: Config) -> None:
    for receiver in declared.receivers:
        if receiver.kind == "email" and not config.alarm_emails:
            raise pulumi.RunError(
                f"alarms.py: receiver {receiver.name!r} is e-mail, and the setting alarmEmails names nobody: "
                "pulumi config set headwater:alarmEmails '[\"on-call@example.com\"]'"
            )
        if receiver.kind == "configured" and receiver.number > len(config.alarm_webhooks):
            raise pulumi.RunError(
                f"alarms.py: receiver {receiver.name!r} is number {receiver.number} of the setting alarmWebhooks, "
                f"which names {len(config.alarm_webhooks)}"
            )


def _receivers(platform: Platform, declared: Alarms) -> Grant:
    """To read the secrets of receivers, and to put events on their buses."""
    account, grants = platform.account, [read_secrets(platform, secrets_of(declared))]
    if any(isinstance(one, Retrain) for one in declared.receivers):
        name = physical_name(POLICY, "function")
        policy = account.arn("lambda", f"function:{name}")
        grants.append(allow(["lambda:InvokeFunction"], policy, settings={"retraining_decide_function": name}))
    if buses := sorted({one.bus for one in declared.receivers if isinstance(one, EventBus)}):
        grants.append(allow(["events:PutEvents"], *(account.arn("events", f"event-bus/{bus}") for bus in buses)))
    return merge(*grants)


def _link_key() -> str:
    return parameter_name(pulumi.get_project(), pulumi.get_stack())


def _setting(name: str, value: Text) -> Grant:
    return Grant(statements=(), settings={name: value})


def _webhooks(addresses: Sequence[str]) -> Text:
    # A chat program's webhook is a password: it must not be readable in Pulumi's state.
    return pulumi.Output.secret(" ".join(addresses)) if addresses else ""
