"""What can go wrong in a deployment, in words for the person who started it."""

from __future__ import annotations


class DeployError(Exception):
    """A deployment that didn't come to its end; what succeeded is in the state, the next one goes on from there.

    Attributes
    ----------
    urn, type, name : str
        The resource that failed; empty if it was the program or the state.
    traceback : str
        The program's traceback, if it raised.
    """

    def __init__(self, message: str, *, urn: str = "", traceback: str = "") -> None:
        super().__init__(message)
        self.urn = urn
        self.type = urn.split("::")[2].split("$")[-1] if urn else ""
        self.name = urn.split("::", 3)[3] if urn else ""
        self.traceback = traceback


class ProjectError(DeployError):
    """Pulumi.yaml or the stack's settings aren't what they should be; nothing was started."""


class StateError(DeployError):
    """The stack's state can't be read, or another update holds it; nothing was changed."""
