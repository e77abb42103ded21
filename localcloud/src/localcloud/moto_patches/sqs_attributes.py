"""A queue's redrive policy is JSON without white space, whatever was given: as SQS keeps it."""

from __future__ import annotations

import json
from typing import Any

from moto.sqs.models import Queue

from localcloud.moto_patches.patches import Patches

_POLICIES = ("RedrivePolicy", "RedriveAllowPolicy")


def apply(patches: Patches) -> None:
    """Let moto's queues show compact JSON."""
    original: Any = Queue.__dict__["attributes"]

    def attributes(self: Queue) -> dict[str, Any]:
        shown: dict[str, Any] = original.fget(self)
        for name in _POLICIES:
            if shown.get(name):
                shown[name] = json.dumps(json.loads(shown[name]), separators=(",", ":"))
        return shown

    patches.set(Queue, "attributes", property(attributes))
