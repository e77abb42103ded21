"""The hourly look at models, and one alarm for each that products declare."""

from __future__ import annotations

from datetime import timedelta

import pulumi

import headwater.handlers.monitoring.watch
from headwater.infra.platform.alarm_topic import Threshold
from headwater.infra.platform.component import Component
from headwater.infra.platform.function import METRICS_NAMESPACE
from headwater.infra.platform.keys import (
    COMPACTIONS,
    MODELS,
    PREDICTION_PROFILES,
    RUNS,
    WATCHED,
)
from headwater.infra.platform.platform import Platform

CAPABILITY = "monitoring"
# Some minutes behind compaction, UTC.
HOURLY = "cron(20 * * * ? *)"
_HOUR = timedelta(hours=1)


class ModelWatch(Component):
    """A function that counts and judges each model's predictions once an hour, and an alarm for each declared model.

    An alarm begins within minutes of the look that found something. It ends within the hour after the first look that
    found the model normal: two hours are looked at, so that it doesn't end between two looks. Idle the function lists
    the models, and their hours of the last three days.
    """

    def __init__(self, name: str, platform: Platform, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, platform, opts)
        self.function = self._function(
            name,
            headwater.handlers.monitoring.watch,
            "data",
            memory_mib=2048,
            disk_mib=2048,
            uses=[
                platform.predictions.read(),
                platform.predictions.write(PREDICTION_PROFILES),
                # Counts of parts that somebody deleted, because of a person in them.
                platform.predictions.delete(PREDICTION_PROFILES),
                platform.registry.read(COMPACTIONS, MODELS),
                platform.registry.write(WATCHED),
                # Banks and packages.
                platform.artifacts.read(RUNS),
            ],
        )
        description = "Counts predictions and judges the days that are over."
        self.function.call_by_rule(name, schedule=HOURLY, target="watch", description=description, parent=self)
        for model in sorted(platform.products.models):
            platform.topic.watch(
                f"model-{model}",
                capability=CAPABILITY,
                namespace=METRICS_NAMESPACE,
                metric="ModelAlarm",
                dimensions={"service": CAPABILITY, "model": model},
                threshold=Threshold(above=0, statistic="Maximum", period=_HOUR, bad_periods=1, periods=2),
                description=f"The predictions of model {model} aren't as they should be: what comes in has changed or "
                f"is broken, or the model is worse than its limit. headwater monitor status {model} says what and "
                "since when.",
                parent=self,
            )
        self.register_outputs({"function": self.function.name})
