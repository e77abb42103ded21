"""Request and answer of the feedback route, as JSON: the types behind docs/reference/openapi.json.

`headwater.monitoring.feedback.requests` reads a request; these types say what it accepts.
"""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config

# Pydantic reads no other TypedDict before Python 3.12.
from typing_extensions import TypedDict

from headwater.declare import LONGEST_TEXT
from headwater.monitoring.feedback.types import LONGEST_AUTHOR, LONGEST_COMMENT, LONGEST_WRITE_ID

_CLOSED = ConfigDict(extra="forbid")


@with_config(_CLOSED)
class FeedbackBody(TypedDict):
    """An end user's feedback on a prediction."""

    token: str
    """The prediction's ``feedback_token``."""
    verdict: Literal["right", "wrong"]
    """Whether the prediction was right, to whoever says so."""
    corrected: NotRequired[float | bool | Annotated[str, Field(max_length=LONGEST_TEXT)] | None]
    """The value that would have been right. It is kept as it is given and is no label before a person makes it one."""
    comment: NotRequired[Annotated[str, Field(max_length=LONGEST_COMMENT)] | None]
    """In the user's own words. It is never logged."""
    author: NotRequired[Annotated[str, Field(max_length=LONGEST_AUTHOR)] | None]
    """The name of whoever says so, in words of the application: it isn't checked. Feedback of the same author replaces
    the earlier one, which stays in the history."""
    write_id: NotRequired[Annotated[str, Field(max_length=LONGEST_WRITE_ID)] | None]
    """Names this one entry: sent again, however late, it changes nothing."""


@with_config(_CLOSED)
class FeedbackAnswer(TypedDict):
    """The feedback is kept; sending it again is answered the same."""

    prediction_id: str
    """``<request_id>.<n>``."""
    sequence: int
    """1 for what the author said first of the prediction, 2 for what replaced it, ..."""
    received_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """When it came, ISO 8601, UTC."""
