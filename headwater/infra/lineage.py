"""Lineage: the function that keeps the index of what was made from what."""

from __future__ import annotations

import pulumi

import headwater.handlers.lineage.index
from headwater.history.store import GRAPHS
from headwater.infra.platform.component import Component
from headwater.infra.platform.grants import Grant, merge
from headwater.infra.platform.keys import (
    ANNOTATIONS,
    DATASETS,
    HISTORY,
    LINEAGE,
    MODELS,
    RUNS,
    SOURCES,
    VERSIONS,
    VIEWS,
)
from headwater.infra.platform.platform import Platform

HOURLY = "rate(1 hour)"
"""Whoever asks a question brings the index up to date first: the hour only bounds how much is left to read then."""


class Lineage(Component):
    """A function that reads the logs of all capabilities each hour, and writes what they tell into the index.

    Idle it lists names of datasets, models and views. What the index holds can be made again from the logs.
    """

    def __init__(self, name: str, platform: Platform, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, platform, opts)
        handler, uses = headwater.handlers.lineage.index, [read_facts(platform), platform.registry.derive(LINEAGE)]
        self.function = self._function(name, handler, "data", memory_mib=1024, uses=uses)
        description = "Indexes what was made from what."
        self.function.call_by_rule(name, schedule=HOURLY, target="index", description=description, parent=self)
        self.register_outputs({"function": self.function.name})


def read_facts(platform: Platform) -> Grant:
    """To read the logs of all capabilities, and what their entries lead to."""
    return merge(
        platform.registry.read(DATASETS, SOURCES, VIEWS, MODELS, HISTORY, ANNOTATIONS),
        platform.lake.read(VERSIONS),
        platform.artifacts.read(RUNS, GRAPHS),
    )
