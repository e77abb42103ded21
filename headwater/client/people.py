"""The person who uses the client."""

from __future__ import annotations

import getpass


def me() -> str:
    """The name of the person at this machine; empty if there is none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        # A container's user may have no name.
        return ""
