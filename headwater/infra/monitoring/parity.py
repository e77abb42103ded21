"""The daily check that the online store holds what the offline rows say, and its alarm."""

from __future__ import annotations

from datetime import timedelta

import pulumi

import headwater.handlers.monitoring.parity
from headwater.declare import Schedule
from headwater.infra.platform.component import Component
from headwater.infra.platform.keys import ARRIVED, FEATURES, MODELS, RUNS, VIEWS
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.tags import physical_name
from headwater.infra.platform.uses import read_sources

CAPABILITY = "monitoring"
# Not rate(1 day): that fires first when it is deployed, before there is any data.
DAILY = Schedule(cron="40 5 * * ? *")


class FeatureParity(Component):
    """A function that compares a sample of online items with the offline rows each day, and an alarm on a difference.

    The alarm lasts until a day's check finds none. It only reads, but for offline rows and statistics that were lost.
    """

    def __init__(self, name: str, platform: Platform, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, platform, opts)
        uses = [
            read_sources(platform),
            # Whether rows that were streamed wait for their commit.
            platform.lake.read(FEATURES, ARRIVED),
            platform.lake.write(FEATURES),
            platform.registry.read(VIEWS, MODELS),
            # The packages say which definitions a model looks up.
            platform.artifacts.read(RUNS),
            platform.features.read(),
        ]
        handler = headwater.handlers.monitoring.parity
        self.function = self._function(name, handler, "data", memory_mib=3008, disk_mib=4096, uses=uses)
        platform.regular.call(name, DAILY, self.function)
        self._alarm_on_findings(
            f"{name}-differences",
            "FeatureParityDifferences",
            service=CAPABILITY,
            # Until the next day's check: a day is the longest that CloudWatch allows.
            lasts=timedelta(days=1),
            description="Online features differ from offline ones. The function's log names view, entity, feature and "
            f"both values: /aws/lambda/{physical_name(name, 'function')}",
        )
        self.register_outputs({"function": self.function.name})
