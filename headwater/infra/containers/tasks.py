"""A Fargate task: its definition with its own role, log group and way out, and the permission to run it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from headwater.infra.images import ImageRepository
from headwater.infra.platform.grants import Grant, Role, Text, allow, merge, write_logs
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.tags import physical_name, tags
from headwater.settings import FunctionSettings

MANAGED_RULE = "StepFunctionsGetEventsForECSTaskRule"
"""By it Step Functions learns that a task of ``runTask.sync`` stopped; it makes the rule itself, once an account."""
KEEPALIVE = {"net.ipv4.tcp_keepalive_time": "60", "net.ipv4.tcp_keepalive_intvl": "30"}
"""A database that computes for long sends nothing, and a NAT gateway forgets a connection after 350 silent seconds
without telling either end; Linux asks after two hours only."""
_TASKS = "the cluster's tasks: one has no ARN before it is started"


@dataclass(frozen=True, kw_only=True)
class TaskArgs:
    """Arguments in which two tasks differ."""

    platform: Platform
    cluster: aws.ecs.Cluster
    images: ImageRepository
    container: str
    """The container's name, as state machines call it in their overrides; the definition's family is called so too."""
    capability: str
    uses: Grant
    """Things that it works with: the permission, and values for its settings."""
    settings: type[FunctionSettings]
    """The container's environment; its ``code_version`` is the image's digest."""
    subnet_ids: pulumi.Output[list[str]]
    security_group_id: Text


class Task:
    """A task definition of one container. It costs nothing while no task runs."""

    def __init__(self, name: str, args: TaskArgs, opts: pulumi.ResourceOptions) -> None:
        self._args, self._account, config = args, args.platform.account, args.platform.config
        labels = tags(capability=args.capability)
        logs = aws.cloudwatch.LogGroup(
            f"{name}-task",
            name=f"/aws/ecs/{physical_name(args.container, 'other')}",
            retention_in_days=config.log_retention_days,
            tags=labels,
            opts=opts,
        )
        self._execution_role = self._role(f"{name}-execution", [write_logs(logs), args.images.pull()], opts)
        self._task_role = self._role(f"{name}-task", [args.uses], opts)
        self.definition = aws.ecs.TaskDefinition(
            f"{name}-task",
            family=physical_name(args.container, "other"),
            requires_compatibilities=["FARGATE"],
            network_mode="awsvpc",
            cpu=str(config.training_cpu),
            memory=str(config.training_memory_mib),
            runtime_platform={
                "operating_system_family": "LINUX",
                "cpu_architecture": config.architecture.upper(),
            },
            execution_role_arn=self._execution_role.ready,
            task_role_arn=self._task_role.ready,
            container_definitions=pulumi.Output.json_dumps([self._container(logs.name)]),
            tags=labels,
            opts=opts,
        )

    def run(self) -> Grant:
        """To run the task on the cluster, wait for its end and stop it: Step Functions' ``runTask.sync``."""
        cluster = self._args.cluster
        tasks = cluster.name.apply(lambda name: self._account.arn("ecs", f"task/{name}/*"))
        places = {
            "ClusterArn": cluster.arn,
            "TaskDefinitionArn": self.definition.arn,
            "SubnetIds": self._args.subnet_ids.apply(",".join),
            "SecurityGroupId": self._args.security_group_id,
        }
        return merge(
            allow(
                ["ecs:RunTask"],
                self.definition.arn,
                conditions={"ArnEquals": {"ecs:cluster": cluster.arn}},
                settings=places,
            ),
            allow(["ecs:DescribeTasks", "ecs:StopTask"], tasks, wildcard=_TASKS),
            # Tags that a task takes over from its definition count as tagging.
            allow(
                ["ecs:TagResource"],
                tasks,
                conditions={"StringEquals": {"ecs:CreateAction": "RunTask"}},
                wildcard=_TASKS,
            ),
            self._task_role.pass_to("ecs-tasks.amazonaws.com"),
            self._execution_role.pass_to("ecs-tasks.amazonaws.com"),
            allow(
                ["events:DescribeRule", "events:PutRule", "events:PutTargets"],
                self._account.arn("events", f"rule/{MANAGED_RULE}"),
            ),
        )

    def _role(self, name: str, grants: Sequence[Grant], opts: pulumi.ResourceOptions) -> Role:
        return Role(
            name,
            service="ecs-tasks.amazonaws.com",
            grants=grants,
            capability=self._args.capability,
            trust_conditions={
                "StringEquals": {"aws:SourceAccount": self._account.id},
                "ArnLike": {"aws:SourceArn": self._account.arn("ecs", "*")},
            },
            opts=opts,
        )

    def _container(self, log_group: pulumi.Output[str]) -> dict[str, Any]:
        image = self._args.images.image
        digest = image.apply(lambda image: image.partition("@")[2])
        environment = self._args.settings.environment(**self._args.uses.settings, code_version=digest)
        return {
            "name": self._args.container,
            "image": image,
            "essential": True,
            "environment": [{"name": name, "value": value} for name, value in environment.items()],
            # Not read-only: Fargate mounts an empty volume as root's, and the container, who isn't root, needs a /tmp.
            "readonlyRootFilesystem": False,
            "linuxParameters": {"initProcessEnabled": True},
            "systemControls": [{"namespace": name, "value": value} for name, value in KEEPALIVE.items()],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": log_group,
                    "awslogs-region": self._args.platform.account.region,
                    "awslogs-stream-prefix": self._args.container,
                    # Logs must not hold up the work; what doesn't fit in the buffer is lost.
                    "mode": "non-blocking",
                    "max-buffer-size": "4m",
                },
            },
        }
