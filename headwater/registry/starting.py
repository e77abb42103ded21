"""The start of a training run: a person at a command, a script or a notebook, or a schedule."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, ValidationError

from headwater.values import Value

LONGEST_PERSON, LONGEST_PROGRAM = 50, 100
"""Characters, each of which is up to 12 bytes of a machine's input."""
How = Literal["command", "script", "notebook", "shell", "schedule", "policy", "verification"]
STARTED_FILE = "started.json"


class StartedBy(Value):
    """The start of a run, as the one who started it tells it. At most 2 KB of JSON."""

    how: How
    """``command``: the `headwater` command; ``script``: a Python program; ``notebook``: a kernel of Jupyter, VS Code or
    another; ``shell``: an interactive Python; ``schedule``: the model's ``retrain``; ``policy``: its ``retraining``;
    ``verification``: `headwater verify`."""
    person: Annotated[str, StringConstraints(max_length=LONGEST_PERSON)] = ""
    """The person's name on the machine; empty for a schedule."""
    program: Annotated[str, StringConstraints(max_length=LONGEST_PROGRAM)] = ""
    """The command, the script's or the notebook's file, in its repository if it is in one; of a notebook whose name
    isn't known ``kernel`` and the kernel's session."""
    commit: Annotated[str, Field(max_length=64)] = ""
    """The git commit of the folder that it was started from; empty if there is none."""
    clean: bool | None = None
    """Whether that folder held nothing but the commit; None if that isn't known."""
    reason: Annotated[str, Field(max_length=20)] = ""
    """The reason of the retraining policy, such as ``drift``; empty if the policy wasn't asked."""

    @classmethod
    def read(cls, given: object) -> Self | None:
        """The start that a machine's input tells; None if it tells none, or one of another version of Headwater."""
        try:
            return cls.model_validate(given) if given else None
        except ValidationError:
            return None

    def __str__(self) -> str:
        who = " ".join(filter(None, (self.person, f"({self.how}{f' {self.program}' if self.program else ''})")))
        if self.reason and self.reason != self.how:
            who += f", {self.reason}"
        if not self.commit:
            return who
        return f"{who}, at {self.commit[:12]}{' with changes' if self.clean is False else ''}"
