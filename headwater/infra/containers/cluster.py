"""Where containers run: the cluster, and the task that trains models and ingests large files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from headwater.container import task
from headwater.infra.containers.network import Network
from headwater.infra.images import ImageRepository
from headwater.infra.platform.component import Component
from headwater.infra.platform.grants import Grant, Role, allow, merge, write_logs
from headwater.infra.platform.keys import MODELS, RUNS
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.tags import physical_name, tags
from headwater.infra.platform.uses import ingest_uploads
from headwater.infra.policies import EXEMPTIONS, exempt

CAPABILITY = "training"
CONTAINER = "training"
"""As the state machines call it in their overrides."""
MANAGED_RULE = "StepFunctionsGetEventsForECSTaskRule"
"""By it Step Functions learns that a task of ``runTask.sync`` stopped; it makes the rule itself, once an account."""
_TASKS = "the cluster's tasks: one has no ARN before it is started"


class Containers(Component):
    """A cluster without machines, and one task definition. It costs nothing while no task runs."""

    def __init__(
        self,
        name: str,
        platform: Platform,
        *,
        network: Network,
        images: ImageRepository,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, platform, opts)
        self._network, self._account, config = network, platform.account, platform.config
        self.cluster = aws.ecs.Cluster(
            name,
            name=physical_name(name, "other"),
            settings=[{"name": "containerInsights", "value": "enabled"}],
            tags=tags(capability=CAPABILITY),
            opts=self._child,
        )
        logs = aws.cloudwatch.LogGroup(
            f"{name}-task",
            name=f"/aws/ecs/{physical_name(CONTAINER, 'other')}",
            retention_in_days=config.log_retention_days,
            tags=tags(capability=CAPABILITY),
            opts=self._child,
        )
        used = _uses(platform)
        self._execution_role = self._role(f"{name}-execution", [write_logs(logs), images.pull()])
        self._task_role = self._role(f"{name}-task", [used])
        self.task = aws.ecs.TaskDefinition(
            f"{name}-task",
            family=physical_name(CONTAINER, "other"),
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
            container_definitions=pulumi.Output.json_dumps([_container(platform, used, images, logs.name)]),
            tags=tags(capability=CAPABILITY),
            opts=self._child,
        )
        exemption = exempt("ECS2", "the names of two buckets and a table and the image's digest: nothing secret")
        self.register_outputs({"cluster": self.cluster.name, EXEMPTIONS: [exemption]})

    def run(self) -> Grant:
        """To run the task on the cluster, wait for its end and stop it: Step Functions' ``runTask.sync``."""
        tasks = self.cluster.name.apply(lambda name: self._account.arn("ecs", f"task/{name}/*"))
        places = {
            "ClusterArn": self.cluster.arn,
            "TaskDefinitionArn": self.task.arn,
            "SubnetIds": self._network.subnet_ids.apply(",".join),
            "SecurityGroupId": self._network.security_group_id,
        }
        return merge(
            allow(
                ["ecs:RunTask"],
                self.task.arn,
                conditions={"ArnEquals": {"ecs:cluster": self.cluster.arn}},
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

    def _role(self, name: str, grants: Sequence[Grant]) -> Role:
        return Role(
            name,
            service="ecs-tasks.amazonaws.com",
            grants=grants,
            capability=CAPABILITY,
            trust_conditions={
                "StringEquals": {"aws:SourceAccount": self._account.id},
                "ArnLike": {"aws:SourceArn": self._account.arn("ecs", "*")},
            },
            opts=self._child,
        )


def _uses(platform: Platform) -> Grant:
    return merge(
        ingest_uploads(platform),
        platform.artifacts.read(RUNS),
        platform.artifacts.write(RUNS),
        platform.registry.read(MODELS),
    )


def _container(
    platform: Platform, used: Grant, images: ImageRepository, log_group: pulumi.Output[str]
) -> dict[str, Any]:
    digest = images.image.apply(lambda image: image.partition("@")[2])
    environment = task.Settings.environment(**used.settings, code_version=digest)
    return {
        "name": CONTAINER,
        "image": images.image,
        "essential": True,
        "environment": [{"name": name, "value": value} for name, value in environment.items()],
        # Not read-only: Fargate mounts an empty volume as root's, and the container, who isn't root, needs a /tmp.
        "readonlyRootFilesystem": False,
        "linuxParameters": {"initProcessEnabled": True},
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": log_group,
                "awslogs-region": platform.account.region,
                "awslogs-stream-prefix": CONTAINER,
                # Logs must not hold up the training; what doesn't fit in the buffer is lost.
                "mode": "non-blocking",
                "max-buffer-size": "4m",
            },
        },
    }
