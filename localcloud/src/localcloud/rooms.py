"""Which rooms the local cloud has, in the order in which they open."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localcloud.cloud import Cloud, Room


def furnish(cloud: Cloud) -> list[Room]:
    """Make every room of ``cloud``."""
    from localcloud import containers
    from localcloud.alarms import AlarmsRoom
    from localcloud.events import EventsRoom
    from localcloud.functions import Functions
    from localcloud.http_api import HttpApis
    from localcloud.identity import Identity
    from localcloud.moto_patches.room import MotoPatches
    from localcloud.spark import EmrServerless
    from localcloud.workflows import Workflows

    identity = Identity(cloud)  # first: it judges a call before anybody answers it
    functions = Functions(cloud)
    return [
        identity,
        MotoPatches(cloud),
        functions,
        HttpApis(cloud, functions),
        EventsRoom(cloud),
        AlarmsRoom(cloud),
        *containers.rooms(cloud),
        EmrServerless(cloud),
        Workflows(cloud),
    ]
