"""An engine for Pulumi programs on the local cloud, without the Pulumi CLI.

The program runs unchanged in an interpreter of its own and speaks to this engine over Pulumi's own protocol. State and
history are kept in the bucket ``state`` in the format and layout of Pulumi's own backend.
"""

from localcloud.engine.errors import DeployError, ProjectError, StateError
from localcloud.engine.events import Deployment, OnEvent, ResourceEvent
from localcloud.engine.hosts import prepared
from localcloud.engine.run import deploy, destroy, preview, refresh, resources
from localcloud.engine.state import ResourceState

__all__ = [
    "DeployError",
    "Deployment",
    "OnEvent",
    "ProjectError",
    "ResourceEvent",
    "ResourceState",
    "StateError",
    "deploy",
    "destroy",
    "prepared",
    "preview",
    "refresh",
    "resources",
]
