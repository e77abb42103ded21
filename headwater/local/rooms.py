"""Which rooms the local cloud has, in the order in which they open."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headwater.local.cloud import Cloud, Room


def furnish(cloud: Cloud) -> list[Room]:
    """Make every room of ``cloud``."""
    from headwater.local import containers
    from headwater.local.alarms import AlarmsRoom
    from headwater.local.events import EventsRoom
    from headwater.local.functions import Functions
    from headwater.local.http_api import HttpApis
    from headwater.local.identity import Identity
    from headwater.local.mends.room import Mends
    from headwater.local.spark import EmrServerless
    from headwater.local.workflows import Workflows

    identity = Identity(cloud)  # first: it judges a call before anybody answers it
    functions = Functions(cloud)
    return [
        identity,
        Mends(cloud),
        functions,
        HttpApis(cloud, functions),
        EventsRoom(cloud),
        AlarmsRoom(cloud),
        *containers.rooms(cloud),
        EmrServerless(cloud),
        Workflows(cloud),
    ]
