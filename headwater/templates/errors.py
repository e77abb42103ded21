"""Errors of writing a new product."""

from __future__ import annotations

from headwater.errors import InvalidRequest, Refused


class BadName(InvalidRequest):
    """A product can't have that name."""


class AlreadyThere(Refused):
    """A file of that name exists; nothing was written."""


class NotWritten(Refused):
    """The folder or the disk takes no files; nothing was written."""
