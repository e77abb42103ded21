"""Pulumi components, one folder or file a capability: what a project's ``infra/__main__.py`` puts together.

Names are loaded when they are first used, so that the policies, which are plain functions, need no Pulumi.
"""

from __future__ import annotations

import importlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from headwater.project import NoProject, make_importable, project

if TYPE_CHECKING:
    from headwater.infra.alarms import AlarmManager as AlarmManager
    from headwater.infra.collecting import Collectors as Collectors
    from headwater.infra.containers.cluster import Containers as Containers
    from headwater.infra.containers.network import Network as Network
    from headwater.infra.description import describe as describe
    from headwater.infra.features.materialisation import Materialisation as Materialisation
    from headwater.infra.features.sharded_materialisation import Distribution as Distribution
    from headwater.infra.features.spark import Spark as Spark
    from headwater.infra.features.streaming import Streaming as Streaming
    from headwater.infra.history import InfrastructureHistory as InfrastructureHistory
    from headwater.infra.images import ImageRepository as ImageRepository
    from headwater.infra.lake.ingestion import Ingestion as Ingestion
    from headwater.infra.lineage import Lineage as Lineage
    from headwater.infra.monitoring.parity import FeatureParity as FeatureParity
    from headwater.infra.monitoring.service import Monitoring as Monitoring
    from headwater.infra.monitoring.skew import FeatureSkew as FeatureSkew
    from headwater.infra.platform.buckets import Expiry as Expiry
    from headwater.infra.platform.buckets import PrivateBucket as PrivateBucket
    from headwater.infra.platform.buckets import PrivateBucketArgs as PrivateBucketArgs
    from headwater.infra.platform.config import Config as Config
    from headwater.infra.platform.function import Function as Function
    from headwater.infra.platform.function import FunctionArgs as FunctionArgs
    from headwater.infra.platform.grants import Grant as Grant
    from headwater.infra.platform.grants import Role as Role
    from headwater.infra.platform.grants import allow as allow
    from headwater.infra.platform.platform import Platform as Platform
    from headwater.infra.platform.products import check_products as check_products
    from headwater.infra.platform.state_machine import StateMachine as StateMachine
    from headwater.infra.platform.state_machine import StateMachineArgs as StateMachineArgs
    from headwater.infra.platform.tables import Table as Table
    from headwater.infra.platform.tables import TableArgs as TableArgs
    from headwater.infra.schedules import Schedules as Schedules
    from headwater.infra.serving import Serving as Serving
    from headwater.infra.training.machine import Training as Training

# Pulumi starts a program in its own folder, and the program deploys what lies beside that: pipelines/ and functions/.
with suppress(NoProject):
    make_importable(project())

_MODULES = {
    "AlarmManager": "alarms",
    "Collectors": "collecting",
    "Config": "platform.config",
    "Containers": "containers.cluster",
    "Distribution": "features.sharded_materialisation",
    "Expiry": "platform.buckets",
    "FeatureParity": "monitoring.parity",
    "FeatureSkew": "monitoring.skew",
    "Function": "platform.function",
    "FunctionArgs": "platform.function",
    "Grant": "platform.grants",
    "ImageRepository": "images",
    "InfrastructureHistory": "history",
    "Ingestion": "lake.ingestion",
    "Lineage": "lineage",
    "Materialisation": "features.materialisation",
    "Monitoring": "monitoring.service",
    "Network": "containers.network",
    "Platform": "platform.platform",
    "PrivateBucket": "platform.buckets",
    "PrivateBucketArgs": "platform.buckets",
    "Role": "platform.grants",
    "Schedules": "schedules",
    "Serving": "serving",
    "Spark": "features.spark",
    "StateMachine": "platform.state_machine",
    "StateMachineArgs": "platform.state_machine",
    "Streaming": "features.streaming",
    "Table": "platform.tables",
    "TableArgs": "platform.tables",
    "Training": "training.machine",
    "allow": "platform.grants",
    "check_products": "platform.products",
    "describe": "description",
}

__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"headwater.infra has no {name!r}. It has {', '.join(_MODULES)}")
    return getattr(importlib.import_module(f"headwater.infra.{_MODULES[name]}"), name)
