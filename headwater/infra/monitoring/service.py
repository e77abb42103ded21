"""Watching models: the hourly compaction of the prediction log, the look at every model, and their alarms."""

from __future__ import annotations

import pulumi

import headwater.handlers.monitoring.compact
from headwater.declare import Schedule
from headwater.infra.monitoring.ask import Ask
from headwater.infra.monitoring.dashboards import Dashboard, Metrics
from headwater.infra.monitoring.feedback import Feedback
from headwater.infra.monitoring.labels import Labels
from headwater.infra.monitoring.watch import ModelWatch
from headwater.infra.platform.component import Component
from headwater.infra.platform.keys import COMPACTED_PREDICTIONS, COMPACTIONS, TORN_PREDICTIONS
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.tags import physical_name
from headwater.infra.serving import Serving

CAPABILITY = "monitoring"
# Some minutes after the hour, UTC: what its last requests logged is there.
HOURLY = Schedule(cron="7 * * * ? *")


class Monitoring(Component):
    """A function that makes tables of the prediction log each hour, and an alarm on records that can't be read.

    The records stay. Idle the function lists the days of each model's log.
    """

    def __init__(
        self, name: str, platform: Platform, *, serving: Serving, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, platform, opts)
        self._serving = serving
        function = f"{name}-compact"
        uses = [
            platform.predictions.read(),
            platform.predictions.write(COMPACTED_PREDICTIONS, TORN_PREDICTIONS),
            platform.registry.write(COMPACTIONS),
            # Items of parts that somebody deleted.
            platform.registry.delete(COMPACTIONS),
        ]
        handler = headwater.handlers.monitoring.compact
        self.compact = self._function(function, handler, "data", memory_mib=2048, disk_mib=2048, uses=uses)
        platform.regular.call(function, HOURLY, self.compact)
        self._alarm_on_findings(
            f"{name}-torn",
            "QuarantinedPredictionRecords",
            service=CAPABILITY,
            description="Records of the prediction log can't be read and lie in quarantine, under quarantine/ of the "
            "predictions bucket, each with its reason. The function's log names the first ones: "
            f"/aws/lambda/{physical_name(function, 'function')}",
        )
        Metrics(f"{name}-metrics", platform, serving=serving, opts=self._child)
        self.feedback = Feedback(f"{name}-feedback", platform, serving=serving, opts=self._child)
        self.watch = ModelWatch(f"{name}-watch", platform, opts=self._child)
        Dashboard(f"{name}-models", platform, alarms=self.watch.alarms, opts=self._child)
        Labels(f"{name}-label", platform, serving=serving, opts=self._child)
        Ask(f"{name}-ask", platform, serving=serving, opts=self._child)
        self.register_outputs({"function": self.compact.name})
