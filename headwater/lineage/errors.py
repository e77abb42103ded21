"""Errors of lineage."""

from __future__ import annotations

from headwater.errors import InvalidRequest, NotFound


class UnknownNode(NotFound):
    """No fact tells of such a node."""


class AmbiguousNode(InvalidRequest):
    """A text that more than one node is called."""


class PredictionNotFound(NotFound):
    """No record of such a prediction."""
