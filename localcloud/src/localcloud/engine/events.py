"""What a deployment tells while it runs, and what it leaves when it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from localcloud.engine.state import ResourceState

Operation = Literal["same", "create", "update", "replace", "delete", "read", "import", "refresh"]
Status = Literal["started", "done", "failed"]


@dataclass(frozen=True)
class ResourceEvent:
    """One step of one resource; ``same`` comes as ``done`` only."""

    urn: str
    type: str
    name: str
    operation: Operation
    status: Status
    detail: str = ""  # what changes, or why it failed
    seconds: float = 0.0


OnEvent = Callable[[ResourceEvent], None]


@dataclass(frozen=True)
class Deployment:
    """What a deployment, or its preview, came to."""

    outputs: Mapping[str, Any]  # the stack's; secrets in clear
    changes: Mapping[str, int]  # operation -> resources
    resources: tuple[ResourceState, ...] = field(default=())
    messages: tuple[str, ...] = ()  # what the program logged or printed
