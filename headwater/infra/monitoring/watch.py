"""The hourly look at models, and one alarm for each that products declare."""

from __future__ import annotations

from datetime import timedelta

import pulumi

import headwater.handlers.monitoring.watch
from headwater.declare import Schedule
from headwater.infra.platform.alarm_topic import Threshold
from headwater.infra.platform.component import Component
from headwater.infra.platform.function import METRICS_NAMESPACE
from headwater.infra.platform.keys import (
    COMPACTIONS,
    CURATED,
    LABELS,
    MODELS,
    PREDICTION_PROFILES,
    RUNS,
    SOURCE_DATA,
    STAGED,
    VERSIONS,
    WATCHED,
)
from headwater.infra.platform.platform import Platform

CAPABILITY = "monitoring"
# Some minutes behind compaction, UTC.
HOURLY = Schedule(cron="20 * * * ? *")
# Short periods, so that an alarm goes off within minutes; an hour would have to be over first.
_PERIOD, _LASTS = timedelta(minutes=5), timedelta(hours=2)


class ModelWatch(Component):
    """A function that counts and judges each model's predictions once an hour, and an alarm for each declared model.

    An alarm is on while the model's severity is TICKET (what comes in has changed or is broken) or PAGE (its
    performance is worse than its limit). It begins within minutes of the look that found something, and ends within the
    hour after the first look that found nothing more: two hours are looked at, so that it doesn't end between two
    looks. Idle the function lists the models, and their hours of the last three days.

    Attributes
    ----------
    alarms : list of Output[str]
        ARNs of the alarms, by the models' names.
    """

    def __init__(self, name: str, platform: Platform, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, platform, opts)
        self.function = self._function(
            name,
            headwater.handlers.monitoring.watch,
            "data",
            memory_mib=3008,
            # Files of the sources that tell labels.
            disk_mib=4096,
            uses=[
                platform.predictions.read(),
                platform.predictions.write(PREDICTION_PROFILES),
                # Counts of parts that somebody deleted, because of a person in them.
                platform.predictions.delete(PREDICTION_PROFILES),
                # Which batches of labels there are, and which commits of sources stood when.
                platform.registry.read(COMPACTIONS, MODELS, LABELS, SOURCE_DATA),
                platform.registry.write(WATCHED),
                # The sources of models' examples, as they were committed.
                platform.lake.read(CURATED, STAGED, VERSIONS),
                # Banks, packages, definitions and estimators.
                platform.artifacts.read(RUNS),
            ],
        )
        platform.regular.call(name, HOURLY, self.function)
        self.alarms = []
        for model in sorted(platform.products.models):
            alarm = platform.topic.watch(
                f"model-{model}",
                capability=CAPABILITY,
                namespace=METRICS_NAMESPACE,
                metric="ModelAlarm",
                dimensions={"service": CAPABILITY, "model": model},
                threshold=Threshold(above=0, statistic="Maximum", period=_PERIOD, periods=_LASTS // _PERIOD),
                description=f"Somebody should look at model {model}. TICKET: what comes in has changed or is broken, "
                "look by daylight. PAGE: realised performance, or without labels the estimated one, is worse than its "
                f"limit. headwater monitor status {model} says which, why and since when.",
                parent=self,
            )
            self.alarms.append(alarm.arn)
        self.register_outputs({"function": self.function.name})
