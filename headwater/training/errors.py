"""Errors between pinned data and a candidate."""

from __future__ import annotations

from headwater.errors import HeadwaterError, NotFound, Refused
from headwater.features.errors import InvalidExamples

__all__ = ["CompilationFailed", "FitFailed", "InvalidExamples", "NotReproduced", "NotReproducible"]


class CompilationFailed(HeadwaterError):
    """The fitted pipeline can't become an ONNX graph, or can't answer a request that serving would let through."""


class FitFailed(HeadwaterError):
    """The product's train function raised, or gave something that isn't a fitted scikit-learn pipeline."""


class NotReproducible(NotFound):
    """A version's record doesn't say what its training set was made from."""


class NotReproduced(Refused):
    """A training set that was made again has other bytes than the one that a version learnt from."""
