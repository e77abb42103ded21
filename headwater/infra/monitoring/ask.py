"""The function that answers questions about models, and its routes."""

from __future__ import annotations

from datetime import timedelta

import pulumi

import headwater.handlers.monitoring.ask
from headwater.infra.platform.component import Component
from headwater.infra.platform.keys import COMPACTIONS, LABELS, MODELS, RUNS, WATCHED
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.uses import read_sources
from headwater.infra.serving import Serving

TIMEOUT = timedelta(seconds=29)


class Ask(Component):
    """``GET /models/{model}/monitor/status``, ``drift``, ``quality`` and ``performance``. Idle it costs nothing.

    The function reads: predictions and their counts, labels and the sources that they come from, and what trainings
    left. It writes nothing.
    """

    def __init__(
        self, name: str, platform: Platform, *, serving: Serving, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, platform, opts)
        handler = headwater.handlers.monitoring.ask
        uses = [
            platform.predictions.read(),
            platform.registry.read(MODELS, COMPACTIONS, WATCHED, LABELS),
            # Banks, packages, declarations and estimators.
            platform.artifacts.read(RUNS),
            # Labels are what the model's own examples say of its sources.
            read_sources(platform),
        ]
        function = self._function(name, handler, "data", memory_mib=3008, disk_mib=2048, timeout=TIMEOUT, uses=uses)
        for question, route in handler.QUESTIONS.items():
            serving.route(f"{name}-{question}", route, function)
        self.register_outputs({"function": function.name})
