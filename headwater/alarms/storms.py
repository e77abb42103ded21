"""The digest of a storm: the route that many groups take together instead of each its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from headwater.alarms.routing import Leg

STORM_WAIT = timedelta(minutes=1)
"""How long the digest of a storm waits for more groups."""
STORM = "storm"
"""The route of digests."""


def storm_leg(leg: Leg, receivers: tuple[str, ...]) -> Leg:
    """The route that a digest takes to ``receivers``."""
    return replace(
        leg, id=STORM, receivers=receivers, group_by=(), group_wait=STORM_WAIT,
        group_interval=max(leg.group_interval, timedelta(minutes=5)), recovery_interval=timedelta(0),
    )  # fmt: skip
