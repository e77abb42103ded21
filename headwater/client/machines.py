"""Executions of a stack's state machines: started under a new name, awaited, and the reason why one failed."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from headwater.client.waiting import wait_for
from headwater.errors import Refused
from headwater.lake.refusal import one_line
from headwater.storage.executions import Executions

_RUNNING = frozenset({"RUNNING", "PENDING_REDRIVE"})


class Machine(Executions):
    """A state machine of the stack."""

    def begin(self, stem: str, given: object) -> str:
        """Start an execution; returns its name: ``stem``, the time (UTC) and a random ending.

        Raises
        ------
        Refused
            Somebody else drew the same name; nothing was started.
        """
        name = f"{stem}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        if not self.start(name, given):
            raise Refused(f"there is a run {name!r} already, and this call didn't start it", next_steps=["try again"])
        return name

    def wait(self, name: str, *, what: str, timeout: float) -> Mapping[str, Any]:
        """Wait for an execution's end, and for its start if it comes later. Returns Step Functions' description.

        Raises
        ------
        TookTooLong
            The execution isn't over within ``timeout`` seconds; the message calls it ``what``.
        """

        def look() -> dict[str, Any] | None:
            seen = self.describe(name)
            return None if seen is None or seen["status"] in _RUNNING else seen

        return wait_for(look, what=what, timeout=timeout)


def reason_of(ended: Mapping[str, Any]) -> str:
    """Step Functions' reason in one line: a function's error, or a container's exit."""
    return ": ".join(
        part for part in (str(ended.get("error") or ended["status"]), one_line(ended.get("cause"))) if part
    )
