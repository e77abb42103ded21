"""Containers without Docker: images are folders, tasks are processes, and a build really runs its commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headwater.local.cloud import Cloud, Room


def rooms(cloud: Cloud) -> list[Room]:
    """CodeBuild and ECS, which share one store of images."""
    from headwater.local.containers.builds import CodeBuild
    from headwater.local.containers.store import ImageStore, default_directory
    from headwater.local.containers.tasks import Tasks

    store = ImageStore(default_directory(cloud.directory))
    return [CodeBuild(cloud, store), Tasks(cloud, store)]
