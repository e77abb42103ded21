"""Where containers run: the cluster, and the tasks that train models, ingest large files and collect for hours."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pulumi
import pulumi_aws as aws

from headwater.container import task
from headwater.infra.containers.network import HTTPS, Network
from headwater.infra.containers.tasks import Task, TaskArgs
from headwater.infra.images import ImageRepository
from headwater.infra.platform.component import Component
from headwater.infra.platform.grants import Grant, merge
from headwater.infra.platform.keys import MODELS, RUNS
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.tags import physical_name, tags
from headwater.infra.platform.uses import ingest_uploads
from headwater.infra.policies import EXEMPTIONS, exempt
from headwater.settings import FunctionSettings

CAPABILITY = "training"
CONTAINER = "training"
"""As the state machines call it in their overrides."""


class Containers(Component):
    """A cluster without machines, and a task definition for each kind of work. It costs nothing while no task runs."""

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
        self._network, self._images = network, images
        self.cluster = aws.ecs.Cluster(
            name,
            name=physical_name(name, "other"),
            settings=[{"name": "containerInsights", "value": "enabled"}],
            tags=tags(capability=CAPABILITY),
            opts=self._child,
        )
        self._training = self._task(
            name,
            CONTAINER,
            capability=CAPABILITY,
            uses=_uses(platform),
            settings=task.Settings,
            security_group_id=network.security_group_id,
        )
        self.task = self._training.definition
        exemption = exempt("ECS2", "the names of two buckets and a table and the image's digest: nothing secret")
        self.register_outputs({"cluster": self.cluster.name, EXEMPTIONS: [exemption]})

    def run(self) -> Grant:
        """To run the task that trains and ingests; see `Task.run`."""
        return self._training.run()

    def another(
        self,
        container: str,
        *,
        capability: str,
        uses: Sequence[Grant],
        settings: type[FunctionSettings],
        ports: Collection[int],
    ) -> Task:
        """A task of its own on the cluster, of the same image and size: with another role, and another way out.

        Parameters
        ----------
        container : str
            As the state machine calls it in its overrides.
        uses : sequence of Grant
            All that its role allows.
        settings : type
            Its environment.
        ports : collection of int
            TCP ports that it may reach.
        """
        group = self._network.security_group_id
        if set(ports) - {HTTPS}:
            group = self._network.way_out(container, ports, capability=capability)
        return self._task(
            container,
            container,
            capability=capability,
            uses=merge(*uses),
            settings=settings,
            security_group_id=group,
        )

    def _task(
        self,
        name: str,
        container: str,
        *,
        capability: str,
        uses: Grant,
        settings: type[FunctionSettings],
        security_group_id: pulumi.Output[str],
    ) -> Task:
        args = TaskArgs(
            platform=self._platform, cluster=self.cluster, images=self._images, container=container,
            capability=capability, uses=uses, settings=settings, subnet_ids=self._network.subnet_ids,
            security_group_id=security_group_id,
        )  # fmt: skip
        return Task(name, args, self._child)


def _uses(platform: Platform) -> Grant:
    return merge(
        ingest_uploads(platform),
        platform.artifacts.read(RUNS),
        platform.artifacts.write(RUNS),
        platform.registry.read(MODELS),
    )
