"""The function that takes labels in, and its route."""

from __future__ import annotations

from datetime import timedelta

import pulumi

import headwater.handlers.monitoring.label
from headwater.infra.platform.component import Component
from headwater.infra.platform.keys import LABELS, MODELS, RUNS, WRITTEN_LABELS
from headwater.infra.platform.platform import Platform
from headwater.infra.serving import Serving
from headwater.routes import WRITE_LABELS

CAPABILITY = "monitoring"
TIMEOUT = timedelta(seconds=29)


class Labels(Component):
    """``POST /models/{model}/labels``: labels are checked, and kept in the predictions bucket. Idle it costs nothing.

    The function reads how the model is declared, and writes its own prefix and its own items alone.
    """

    def __init__(
        self, name: str, platform: Platform, *, serving: Serving, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, platform, opts)
        uses = [
            platform.registry.read(MODELS),
            platform.registry.write(LABELS),
            platform.artifacts.read(RUNS),
            platform.predictions.write(WRITTEN_LABELS),
        ]
        handler = headwater.handlers.monitoring.label
        function = self._function(name, handler, "control", timeout=TIMEOUT, uses=uses)
        serving.route(name, WRITE_LABELS, function)
        self.register_outputs({"function": function.name})
