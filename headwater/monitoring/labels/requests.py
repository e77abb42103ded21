"""A request that carries labels, read and answered."""

from __future__ import annotations

from headwater.features.inputs import shown
from headwater.json_values import body_of
from headwater.monitoring.labels.errors import InvalidLabels, LabelsTooLarge
from headwater.monitoring.labels.messages import LabelsAnswer
from headwater.monitoring.labels.types import LONGEST_BODY, Verdict
from headwater.monitoring.labels.writing import LabelWriter


def answer(writer: LabelWriter, model: str, body: bytes) -> LabelsAnswer:
    """Take a request's labels in.

    Parameters
    ----------
    writer : LabelWriter
    model : str
    body : bytes
        JSON: ``{"labels": [...]}``.

    Raises
    ------
    InvalidLabels, LabelsTooLarge, ModelNotRegistered, NoDefinition
    """
    if len(body) > LONGEST_BODY:
        raise LabelsTooLarge(f"the body has {len(body):,} bytes, at most {LONGEST_BODY:,} are read")
    document = body_of(body, InvalidLabels)
    if not isinstance(document, dict) or document.keys() != {"labels"}:
        raise InvalidLabels(f"the body is {shown(document)}, expected an object with labels and nothing else")
    found = writer.add(model, document["labels"])
    return {"model": model, "verdicts": found.verdicts}  # type: ignore[typeddict-item]


def taken(found: LabelsAnswer) -> tuple[int, int]:
    """How many labels of an answer are stored or known, and how many were refused."""
    refused = sum(one["verdict"] == Verdict.REFUSED for one in found["verdicts"])
    return len(found["verdicts"]) - refused, refused
