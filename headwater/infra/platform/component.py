"""The base of the platform's parts: children are parented to the part, and functions and alarms take a short form."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pulumi
import pulumi_aws as aws

from headwater.infra.platform.alarm_topic import Threshold
from headwater.infra.platform.function import MAX_TIMEOUT, METRICS_NAMESPACE, Function, FunctionArgs
from headwater.infra.platform.grants import Grant, Setting, policy_document, require_tls
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.state_machine import StateMachine, StateMachineArgs
from headwater.infra.platform.tags import physical_name, tags

_PERIOD = timedelta(minutes=5)
_TWO_LOOKS = timedelta(hours=2)


class Component(pulumi.ComponentResource):
    """A part of the platform. Its type on Pulumi is ``headwater:index:`` and the name of its class."""

    def __init__(self, name: str, platform: Platform, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(f"headwater:index:{type(self).__name__}", name, {}, opts)
        self._platform = platform
        self._child = pulumi.ResourceOptions(parent=self)

    def _function(
        self,
        name: str,
        handler: ModuleType,
        bundle: str,
        *,
        memory_mib: int = 512,
        uses: Sequence[Grant],
        timeout: timedelta = MAX_TIMEOUT,
        disk_mib: int = 512,
        settings: Mapping[str, Setting] | None = None,
    ) -> Function:
        """A function of this part; the arguments are those of `FunctionArgs`."""
        args = FunctionArgs(
            platform=self._platform,
            handler=handler,
            bundle=bundle,
            memory_mib=memory_mib,
            uses=uses,
            timeout=timeout,
            disk_mib=disk_mib,
            settings=settings or {},
        )
        return Function(name, args, opts=self._child)

    def _machine(
        self,
        name: str,
        capability: str,
        definition: Path,
        steps: Mapping[str, Function],
        *,
        uses: Sequence[Grant],
        values: Mapping[str, Setting] | None = None,
        without: Collection[str] = (),
        setting: str = "",
        help_command: str = StateMachineArgs.help_command,
    ) -> StateMachine:
        """A state machine of this part; the arguments are those of `StateMachineArgs`."""
        args = StateMachineArgs(
            platform=self._platform, capability=capability, definition=definition, steps=steps, uses=uses,
            values=values or {}, without=without, setting=setting, help_command=help_command,
        )  # fmt: skip
        return StateMachine(name, args, opts=self._child)

    def _queue(self, name: str, *, capability: str, timeout: timedelta, tries: int) -> aws.sqs.Queue:
        """A queue in front of a function: what it fails on ``tries`` times lies among the stack's dead letters."""
        queue = aws.sqs.Queue(
            name,
            name=physical_name(name, "queue"),
            # Six times the function's timeout: no message is read twice.
            visibility_timeout_seconds=int(timeout.total_seconds()) * 6,
            sqs_managed_sse_enabled=True,
            redrive_policy=self._platform.dead_letters.arn.apply(
                lambda arn: json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": tries})
            ),
            tags=tags(capability=capability),
            opts=self._child,
        )
        policy = policy_document([{**require_tls(queue.arn), "Action": "sqs:*"}])
        aws.sqs.QueuePolicy(name, queue_url=queue.url, policy=policy, opts=self._child)
        return queue

    def _alarm_on_findings(
        self, name: str, metric: str, *, service: str, description: str, lasts: timedelta = _TWO_LOOKS, above: float = 0
    ) -> None:
        """An alarm on a metric that a function writes each time it looks: off within minutes, and for ``lasts``.

        By default it lasts until an hourly function has looked twice and found nothing.
        """
        self._platform.topic.watch(
            name,
            capability=service,
            namespace=METRICS_NAMESPACE,
            metric=metric,
            dimensions={"service": service},
            threshold=Threshold(above=above, statistic="Maximum", period=_PERIOD, periods=lasts // _PERIOD),
            description=description,
            parent=self,
        )
