"""When training starts by itself."""

from __future__ import annotations

import pulumi

from headwater.infra.platform.component import Component
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.schedules import Start, start_on_schedules
from headwater.infra.platform.state_machine import StateMachine
from headwater.registry.starting import StartedBy

SCHEDULED = StartedBy(how="schedule").model_dump(mode="json", exclude_defaults=True)


class Schedules(Component):
    """One schedule for each model that declares ``retrain``; a start that AWS can't make becomes a dead letter."""

    def __init__(
        self, name: str, platform: Platform, *, machine: StateMachine, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, platform, opts)
        starts = [
            Start(
                name=f"retrain-{model.name}",
                called=model.name,
                schedule=model.retrain,
                description=f"Trains {model.name} again.",
                event={"model": model.name, "reason": "schedule", "started_by": SCHEDULED},
            )
            for model in platform.products.models.values()
            if model.retrain
        ]
        group = start_on_schedules(
            name,
            platform,
            starts,
            target=machine.arn,
            grant=machine.start(),
            role=name,
            capability="training",
            parent=self,
        )
        self.register_outputs({"group": group.name})
