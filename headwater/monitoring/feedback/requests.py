"""A feedback request as it came from anybody: bounded, and checked field by field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from headwater.declare import LONGEST_TEXT
from headwater.features.inputs import shown
from headwater.json_values import loads
from headwater.monitoring.feedback.errors import FeedbackTooLarge, InvalidFeedback
from headwater.monitoring.feedback.types import LONGEST_AUTHOR, LONGEST_COMMENT, LONGEST_WRITE_ID, Verdict

LONGEST_BODY = 8192
"""Bytes."""
_LARGEST = 10**38
"""No whole number beyond is a label: no float32 holds it."""
FIELDS = ("token", "verdict", "corrected", "comment", "author", "write_id")


@dataclass(frozen=True, slots=True)
class Given:
    """The feedback that a request gives on a prediction."""

    verdict: Verdict
    corrected: float | int | Decimal | str | bool | None = None
    comment: str | None = None
    author: str = ""
    write_id: str | None = None


def fields_of(body: bytes) -> Mapping[str, Any]:
    """The fields of a body of at most `LONGEST_BODY` bytes, with the token as text; the other fields are unchecked.

    Raises
    ------
    FeedbackTooLarge, InvalidFeedback
    """
    if len(body) > LONGEST_BODY:
        raise FeedbackTooLarge(f"the body has {len(body)} bytes; at most {LONGEST_BODY} are read")
    try:
        document = loads(body.decode("utf-8", "surrogatepass"))
    # Text that isn't UTF-8 is a ValueError too; a thousand open brackets are a RecursionError.
    except (ValueError, RecursionError) as error:
        raise InvalidFeedback("the body is not JSON") from error
    if not isinstance(document, dict):
        raise InvalidFeedback(f"the body is {_given(document)}, expected an object with {', '.join(FIELDS)}")
    if unknown := sorted(document.keys() - set(FIELDS)):
        raise InvalidFeedback(f"{_given(unknown[0])}: unknown field, expected one of {', '.join(FIELDS)}")
    if not isinstance(document.get("token"), str):
        raise InvalidFeedback("token: missing, expected the feedback_token of the prediction")
    return document


def given_by(fields: Mapping[str, Any]) -> Given:
    """The feedback in a request's fields.

    Raises
    ------
    InvalidFeedback
        Names the field, what was given and what was expected. It doesn't repeat a comment.
    """
    verdict = fields.get("verdict")
    if verdict not in tuple(Verdict):
        raise InvalidFeedback(f"verdict: {_given(verdict)}, expected right or wrong")
    return Given(
        Verdict(verdict),
        _corrected(fields.get("corrected")),
        _text(fields, "comment", LONGEST_COMMENT),
        _text(fields, "author", LONGEST_AUTHOR) or "",
        _text(fields, "write_id", LONGEST_WRITE_ID) or None,
    )


def _corrected(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) <= LONGEST_TEXT:
        return value
    if isinstance(value, int | float | Decimal) and -_LARGEST <= value <= _LARGEST:
        return value
    expected = f"a number, text of at most {LONGEST_TEXT:,} characters, true, false or null"
    raise InvalidFeedback(f"corrected: {_given(value)}, expected {expected}")


def _text(fields: Mapping[str, Any], name: str, longest: int) -> str | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidFeedback(f"{name}: {type(value).__name__}, expected text of at most {longest:,} characters")
    if len(value) > longest:
        raise InvalidFeedback(f"{name}: {len(value):,} characters, expected at most {longest:,}")
    return value


def _given(value: Any) -> str:
    return "missing" if value is None else shown(value)
