"""Errors of labels."""

from __future__ import annotations

from headwater.errors import InvalidRequest, NotFound


class NoDefinition(NotFound):
    """A model has no version whose run kept its declaration."""


class InvalidLabels(InvalidRequest):
    """A call that carries labels is malformed; nothing of it was stored."""


class LabelsTooLarge(InvalidLabels):
    """The body has too many bytes, or too many labels are in it."""

    http_status = 413


class LabelRefused(InvalidRequest):
    """One label can't be a label of the model.

    Parameters
    ----------
    field, given, expected : str
        What is wrong with which field.
    """

    def __init__(self, field: str, given: str, expected: str) -> None:
        super().__init__(f"{field}: {given}, expected {expected}")
        self.field, self.given, self.expected = field, given, expected
