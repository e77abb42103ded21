"""Values of the images capability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from headwater.values import Value


class BuildRequest(Value):
    """Which context to build, and what the image is called.

    A context's tag is the hash of what is in it and of how it is built: the same tag is the same image.
    """

    bucket: Annotated[str, Field(min_length=3)]
    key: Annotated[str, Field(min_length=1)]
    tag: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]


@dataclass(frozen=True, slots=True)
class Build:
    """A build as CodeBuild knows it."""

    id: str
    status: str
    """``IN_PROGRESS``, ``SUCCEEDED``, ``FAILED``, ``FAULT``, ``TIMED_OUT`` or ``STOPPED``."""
    phase: str
    """Where it is, or where it ended."""
    reason: str
    """Why it ended where it did; empty if it went well."""
    logs: str
    """Where its output is."""

    @property
    def is_running(self) -> bool:
        """Whether the build hasn't ended."""
        return self.status == "IN_PROGRESS"
