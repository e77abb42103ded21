"""Lineage: the functions that keep the index of what was made from what, answer from it, and talk to other trackers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pulumi

import headwater.handlers.lineage.ask
import headwater.handlers.lineage.index
import headwater.handlers.lineage.take
from headwater.code.types import STATES
from headwater.declare import Schedule
from headwater.history.store import GRAPHS
from headwater.infra.platform.component import Component
from headwater.infra.platform.grants import Grant, Setting, merge
from headwater.infra.platform.keys import (
    ANNOTATIONS,
    DATASETS,
    EVENTS,
    FOREIGN,
    HISTORY,
    LINEAGE,
    MODELS,
    RECEIVED,
    RETRAININGS,
    RUNS,
    SOURCES,
    VERSIONS,
    VIEWS,
)
from headwater.infra.platform.platform import Platform
from headwater.infra.serving import Serving
from headwater.routes import LINEAGE as ASK
from headwater.routes import TAKE_EVENT

HOURLY = Schedule(cron="33 * * * ? *")
"""Whoever asks by the client brings the index up to date first: the hour only bounds how much is left to read then."""
CAPABILITY = "lineage"
TIMEOUT = timedelta(seconds=29)


class Lineage(Component):
    """The lineage tracker: an index that is read from the logs of all capabilities each hour, and two routes.

    ``GET /lineage`` answers from the index, ``POST /lineage`` takes OpenLineage events of other tools. Headwater's own
    facts go out as such events: into the artifacts bucket, and to the URL of the setting `openlineageUrl`. Idle it
    lists names of datasets, models and views once an hour.
    """

    def __init__(
        self, name: str, platform: Platform, *, serving: Serving, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, platform, opts)
        names: dict[str, Setting] = {
            "project": pulumi.get_project(),
            "stack": pulumi.get_stack(),
            "account": platform.account.id,
            "region": platform.account.region,
        }
        self._index(f"{name}-index", platform, names)
        ask = self._function(
            f"{name}-ask",
            headwater.handlers.lineage.ask,
            "data",
            memory_mib=1024,
            timeout=TIMEOUT,
            uses=[read_facts(platform), platform.registry.read(LINEAGE), platform.predictions.read()],
            settings=names,
        )
        take = self._function(
            f"{name}-take",
            headwater.handlers.lineage.take,
            "control",
            timeout=TIMEOUT,
            uses=[
                platform.registry.write(FOREIGN),
                platform.artifacts.write(RECEIVED),
                # The names of the stack's own buckets: objects in them are its own nodes.
                Grant(
                    statements=(), settings=merge(platform.lake.read(VERSIONS), platform.predictions.read()).settings
                ),
            ],
            settings=names,
        )
        serving.route(f"{name}-ask", ASK, ask)
        serving.route(f"{name}-take", TAKE_EVENT, take)
        self.register_outputs({})

    def _index(self, name: str, platform: Platform, names: Mapping[str, Setting]) -> None:
        config = platform.config
        # The address of a receiver may hold a password, and its key is one: neither may be readable in Pulumi's state.
        secrets = {
            key: pulumi.Output.secret(value) if value else ""
            for key, value in (
                ("openlineage_url", config.openlineage_url),
                ("openlineage_api_key", config.openlineage_api_key),
            )
        }
        index = self._function(
            name,
            headwater.handlers.lineage.index,
            "data",
            memory_mib=1024,
            uses=[
                read_facts(platform),
                platform.registry.derive(LINEAGE),
                platform.artifacts.write(EVENTS),
                Grant(statements=(), settings=platform.predictions.read().settings),
            ],
            settings={**names, **secrets},
        )
        platform.regular.call(name, HOURLY, index)
        self._alarm_on_findings(
            f"{name}-undelivered",
            "LineageEventsUndelivered",
            service=CAPABILITY,
            description="OpenLineage events didn't reach the receiver that the setting openlineageUrl names; they are "
            "sent again each hour. The function's log says what it answered.",
        )


def read_facts(platform: Platform) -> Grant:
    """To read the logs of all capabilities, and what their entries lead to."""
    return merge(
        platform.registry.read(DATASETS, SOURCES, VIEWS, MODELS, RETRAININGS, HISTORY, FOREIGN, ANNOTATIONS),
        platform.lake.read(VERSIONS),
        platform.artifacts.read(RUNS, GRAPHS, STATES, RECEIVED),
    )
