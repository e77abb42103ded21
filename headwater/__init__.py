"""Headwater: the whole loop of an ML product on AWS, as one Pulumi program.

Importing this package loads nothing heavy; `connect` brings in botocore when it is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headwater.version import __version__

if TYPE_CHECKING:
    from headwater.client import Stack

__all__ = ["__version__", "connect"]


def connect(stack: str | None = None) -> Stack:
    """Connect to a deployed stack: see `headwater.client.connect`."""
    from headwater import client

    return client.connect(stack)
