"""Errors of watching."""

from __future__ import annotations

from headwater.errors import HeadwaterError, NotFound


class NoBank(NotFound):
    """A model version has no profiles of its training days."""


class UnreadableListing(HeadwaterError):
    """S3 answered with something else than a list of objects, or with a part of one."""
