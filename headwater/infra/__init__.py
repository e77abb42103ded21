"""Pulumi components, one capability a file: what a project's ``infra/__main__.py`` puts together.

Names are loaded when they are first used, so that the policies, which are plain functions, need no Pulumi.
"""

from __future__ import annotations

import importlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from headwater.project import NoProject, make_importable, project

if TYPE_CHECKING:
    from headwater.infra.alarm_manager import AlarmManager as AlarmManager
    from headwater.infra.buckets import Expiry as Expiry
    from headwater.infra.buckets import PrivateBucket as PrivateBucket
    from headwater.infra.buckets import PrivateBucketArgs as PrivateBucketArgs
    from headwater.infra.config import Config as Config
    from headwater.infra.containers import Containers as Containers
    from headwater.infra.description import describe as describe
    from headwater.infra.features import Materialisation as Materialisation
    from headwater.infra.function import Function as Function
    from headwater.infra.function import FunctionArgs as FunctionArgs
    from headwater.infra.grants import Grant as Grant
    from headwater.infra.grants import Role as Role
    from headwater.infra.grants import allow as allow
    from headwater.infra.history import InfrastructureHistory as InfrastructureHistory
    from headwater.infra.images import ImageRepository as ImageRepository
    from headwater.infra.ingestion import Ingestion as Ingestion
    from headwater.infra.machine import StateMachine as StateMachine
    from headwater.infra.machine import StateMachineArgs as StateMachineArgs
    from headwater.infra.network import Network as Network
    from headwater.infra.parity import FeatureParity as FeatureParity
    from headwater.infra.platform import Platform as Platform
    from headwater.infra.products import check_products as check_products
    from headwater.infra.serving import Serving as Serving
    from headwater.infra.sharded_materialisation import Distribution as Distribution
    from headwater.infra.skew import FeatureSkew as FeatureSkew
    from headwater.infra.spark import Spark as Spark
    from headwater.infra.streaming import Streaming as Streaming
    from headwater.infra.tables import Table as Table
    from headwater.infra.tables import TableArgs as TableArgs
    from headwater.infra.training import Schedules as Schedules
    from headwater.infra.training import Training as Training

# Pulumi starts a program in its own folder, and the program deploys what lies beside that: pipelines/ and functions/.
with suppress(NoProject):
    make_importable(project())

_MODULES = {
    "AlarmManager": "alarm_manager",
    "Config": "config",
    "Containers": "containers",
    "Distribution": "sharded_materialisation",
    "Expiry": "buckets",
    "FeatureParity": "parity",
    "FeatureSkew": "skew",
    "Function": "function",
    "FunctionArgs": "function",
    "Grant": "grants",
    "ImageRepository": "images",
    "InfrastructureHistory": "history",
    "Ingestion": "ingestion",
    "Materialisation": "features",
    "Network": "network",
    "Platform": "platform",
    "PrivateBucket": "buckets",
    "PrivateBucketArgs": "buckets",
    "Role": "grants",
    "Schedules": "training",
    "Serving": "serving",
    "Spark": "spark",
    "StateMachine": "machine",
    "StateMachineArgs": "machine",
    "Streaming": "streaming",
    "Table": "tables",
    "TableArgs": "tables",
    "Training": "training",
    "allow": "grants",
    "check_products": "products",
    "describe": "description",
}

__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"headwater.infra has no {name!r}. It has {', '.join(_MODULES)}")
    return getattr(importlib.import_module(f"headwater.infra.{_MODULES[name]}"), name)
