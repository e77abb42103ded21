"""Which emulators the local cloud has, in the order in which they open."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localcloud.context import CloudContext, ServiceEmulator


def build_services(cloud: CloudContext) -> list[ServiceEmulator]:
    """Make every emulator of ``cloud``."""
    from localcloud import containers
    from localcloud.alarms import AlarmsEmulator
    from localcloud.corrections import MotoPatches
    from localcloud.events import EventsEmulator
    from localcloud.functions import Functions
    from localcloud.http_api import HttpApis
    from localcloud.identity import Identity
    from localcloud.spark import EmrServerless
    from localcloud.workflows import Workflows

    identity = Identity(cloud)  # first: it judges a call before anybody answers it
    functions = Functions(cloud)
    return [
        identity,
        MotoPatches(cloud),
        functions,
        HttpApis(cloud, functions),
        EventsEmulator(cloud),
        AlarmsEmulator(cloud),
        *containers.emulators(cloud),
        EmrServerless(cloud),
        Workflows(cloud),
    ]
