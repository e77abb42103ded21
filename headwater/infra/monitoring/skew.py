"""The daily measure of training-serving skew, and its alarm."""

from __future__ import annotations

from datetime import timedelta

import pulumi

import headwater.handlers.monitoring.skew
from headwater.declare import Schedule
from headwater.infra.platform.component import Component
from headwater.infra.platform.keys import MODELS, RUNS, VIEWS
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.tags import physical_name
from headwater.infra.platform.uses import compute_features

CAPABILITY = "monitoring"
# Some time after midnight, UTC: what the day's last requests logged is there.
DAILY = Schedule(cron="10 6 * * ? *")
ALARMING = 0.1
"""Share of a feature's predictions of a day that saw another value than training would have. Late materialisations make
some each day; one in ten changes what a model answers."""


class FeatureSkew(Component):
    """A function that measures each day how often logged predictions saw other features than training, and an alarm.

    The alarm lasts until a day's measure is below its threshold, or a day has no predictions. Without any the function
    only lists the log.
    """

    def __init__(self, name: str, platform: Platform, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, platform, opts)
        uses = [
            compute_features(platform),
            platform.registry.read(VIEWS, MODELS),
            # Packages.
            platform.artifacts.read(RUNS),
            platform.predictions.read(),
        ]
        handler, settings = headwater.handlers.monitoring.skew, {"alarming_share": ALARMING}
        self.function = self._function(
            name, handler, "data", memory_mib=3008, disk_mib=4096, settings=settings, uses=uses
        )
        platform.regular.call(name, DAILY, self.function)
        self._alarm_on_findings(
            name,
            "FeatureSkew",
            service=CAPABILITY,
            # Until the next day's measure: a day is the longest that CloudWatch allows.
            lasts=timedelta(days=1),
            above=ALARMING,
            description=f"More than {ALARMING:.0%} of a day's predictions saw another value of a feature than training "
            f"would have. The function's log names model and feature: /aws/lambda/{physical_name(name, 'function')}. "
            "headwater features skew MODEL shows all of them",
        )
        self.register_outputs({"function": self.function.name})
