"""Containers without Docker: images are folders, tasks are processes, and a build really runs its commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localcloud.context import CloudContext, ServiceEmulator


def emulators(cloud: CloudContext) -> list[ServiceEmulator]:
    """CodeBuild and ECS, which share one store of images."""
    from localcloud.containers.builds import CodeBuild
    from localcloud.containers.store import ImageStore, default_directory
    from localcloud.containers.tasks import Tasks

    store = ImageStore(default_directory(cloud.directory))
    return [CodeBuild(cloud, store), Tasks(cloud, store)]
