"""Errors of watching."""

from __future__ import annotations

from headwater.errors import NotFound


class NoBank(NotFound):
    """A model version has no profiles of its training days."""
