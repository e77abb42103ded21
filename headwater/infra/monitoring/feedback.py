"""The public route by which end users tell what predictions were worth."""

from __future__ import annotations

from datetime import timedelta

import pulumi

import headwater.handlers.monitoring.feedback
from headwater.infra.platform.component import Component
from headwater.infra.platform.keys import FEEDBACK as KEYS
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.uses import verify_feedback
from headwater.infra.serving import Serving
from headwater.routes import FEEDBACK, FEEDBACK_PREFLIGHT

TIMEOUT = timedelta(seconds=10)


class Feedback(Component):
    """A function that keeps what end users say of predictions, and the API's two routes that IAM doesn't authorise.

    The function may read the keys that sign tokens, and add items of feedback to the registry table. Idle it costs
    what its alarms cost.
    """

    def __init__(
        self, name: str, platform: Platform, *, serving: Serving, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, platform, opts)
        uses = [platform.registry.write(KEYS), verify_feedback(platform)]
        handler = headwater.handlers.monitoring.feedback
        self.function = self._function(name, handler, "control", timeout=TIMEOUT, uses=uses)
        serving.route(name, FEEDBACK, self.function)
        serving.route(f"{name}-preflight", FEEDBACK_PREFLIGHT, self.function)
        self.register_outputs({"function": self.function.name})
