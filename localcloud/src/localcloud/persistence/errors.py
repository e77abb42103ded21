"""Why a state can't be used."""

from __future__ import annotations


class StateUnusable(Exception):
    """The state on disk is damaged, or was written by other versions. Nothing of it was loaded."""


class StateNotKept(Exception):
    """A change couldn't be written. The caller must not be told that the call succeeded."""
