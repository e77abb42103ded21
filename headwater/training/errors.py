"""What can go wrong between a snapshot and a candidate."""

from __future__ import annotations

from headwater.errors import HeadwaterError, InvalidRequest


class InvalidExamples(InvalidRequest):
    """A model's examples can't be learnt from: a column is missing, a value impossible, a class absent."""


class CompilationFailed(HeadwaterError):
    """The fitted pipeline can't become an ONNX graph, or can't answer a request that serving would let through."""


class FitFailed(HeadwaterError):
    """The product's train function raised, or gave something that isn't a fitted scikit-learn pipeline."""
