"""The operations of the HTTP API: what each route takes, answers and refuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, TypeAdapter

from headwater.declare import InvalidProduct
from headwater.errors import HeadwaterError, InvalidRequest, NotFound
from headwater.features.errors import InvalidRows, ItemTooLarge, OnlineStoreBusy
from headwater.features.stream.rows import Streamed
from headwater.graph import InvalidNode
from headwater.lake.errors import LakeBusy
from headwater.lineage.asking import DEEPEST
from headwater.lineage.errors import AmbiguousNode, UnknownNode
from headwater.lineage.messages import EventAnswer, LineageAnswer
from headwater.lineage.openlineage.errors import EventTooLarge, InvalidEvent
from headwater.monitoring import messages as monitoring
from headwater.monitoring.dashboards.openmetrics import OPENMETRICS, TEXT
from headwater.monitoring.dashboards.tokens import TokenRefused
from headwater.monitoring.days.service import NoSuchSegment
from headwater.monitoring.errors import NoBank
from headwater.monitoring.feedback import errors as feedback_errors
from headwater.monitoring.feedback import messages as feedback
from headwater.monitoring.labels import messages as labels
from headwater.monitoring.labels.errors import InvalidLabels, LabelsTooLarge, NoDefinition
from headwater.monitoring.watching import NoSuchDay
from headwater.registry.errors import AliasNotFound, ArtifactInvalid, ArtifactNotFound, ModelNotRegistered
from headwater.registry.types import Alias
from headwater.routes import (
    CARD,
    FEEDBACK,
    LINEAGE,
    METRICS,
    MODEL_DRIFT,
    MODEL_PERFORMANCE,
    MODEL_QUALITY,
    MODEL_STATUS,
    OPENAPI,
    PREDICT,
    SCRAPE,
    STREAM_ROWS,
    TAKE_EVENT,
    WRITE_LABELS,
    Route,
)
from headwater.serving import messages
from headwater.serving.errors import (
    ArtifactCorrupted,
    BodyTooLarge,
    InvalidBody,
    PredictionFailed,
    RegistryUnavailable,
    UnknownModel,
)
from tools.reference import alarms
from tools.reference.operation import Operation, parameter

_PREDICTION_ERRORS = (UnknownModel, ArtifactNotFound, ArtifactInvalid, ArtifactCorrupted, RegistryUnavailable)


class RowsBody(BaseModel):
    """Rows of a feature view."""

    rows: list[dict[str, Any]]
    """Each has the view's join keys, ``event_time`` (ISO 8601), ``available_time`` if it is another time, and features;
    a feature left out is missing."""


class RowProblem(BaseModel, extra="forbid"):
    """What is wrong with one row."""

    field: str
    """Where, such as ``rows[3].amount``."""
    given: str
    """What stands there."""
    expected: str
    """What should."""


class RowsError(messages.ErrorAnswer):
    """Why rows were refused; if one is wrong, none is taken."""

    problems: messages.NotRequired[list[RowProblem]]
    """The first problem of each row that has one, with reason ``InvalidRows``."""


class OpenLineageEvent(BaseModel, extra="allow"):
    """A RunEvent, DatasetEvent or JobEvent as https://openlineage.io/spec/2-0-2/OpenLineage.json describes it."""

    eventTime: str  # noqa: N815 - OpenLineage's spelling
    """The event's time, ISO 8601."""
    producer: str
    """URI of the program that made the event."""
    schemaURL: str  # noqa: N815 - OpenLineage's spelling
    """URL of the event's schema."""


class GatewayError(BaseModel):
    """API Gateway's own words: not signed, not allowed, no such route, throttled, or the function failed."""

    message: str
    """In words."""


_ALIAS = parameter("alias", "Which version answers.", {**TypeAdapter(Alias).json_schema(), "default": "production"})
OPERATIONS: dict[Route, Operation] = {
    PREDICT: Operation(
        "predict",
        "Predict for each instance of the request.",
        messages.PredictionAnswer,
        (InvalidBody, BodyTooLarge, *_PREDICTION_ERRORS, OnlineStoreBusy, PredictionFailed),
        body=messages.PredictionBody,
        query=(_ALIAS,),
    ),
    CARD: Operation("card", "The card of the version that serves.", messages.Card, _PREDICTION_ERRORS, query=(_ALIAS,)),
    OPENAPI: Operation("openapi", "This description.", dict[str, Any], (NotFound,)),
    STREAM_ROWS: Operation(
        "streamRows",
        "Keep rows of a feature view and bring them online.",
        Streamed,
        (InvalidRequest, InvalidRows, InvalidProduct, ItemTooLarge, LakeBusy, OnlineStoreBusy),
        body=RowsBody,
        refusal=RowsError,
    ),
}
OPERATIONS[WRITE_LABELS] = Operation(
    "writeLabels",
    "Write down what really happened after predictions.",
    labels.LabelsAnswer,
    (InvalidLabels, LabelsTooLarge, ModelNotRegistered, NoDefinition),
    body=labels.LabelsBody,
    status=HTTPStatus.ACCEPTED,
)
_QUERY: Mapping[str, tuple[str, dict[str, Any]]] = {
    "nodeId": ("A node: its id, MODEL@VERSION or DATASET@REVISION.", {"type": "string"}),
    "depth": ("Edges to go.", {"type": "integer", "minimum": 1, "maximum": DEEPEST, "default": 1}),
    "direction": ("What it was made from, what was made from it, or both.",
                  {"enum": ["UP", "DOWN", "BOTH"], "default": "BOTH"}),
    "at": ("Only what had come to be by then.", {"type": "string", "format": "date-time"}),
    "known": ("Only what was written down by then.", {"type": "string", "format": "date-time"}),
    "kind": ("Kinds of nodes to show, joined by commas.", {"type": "string"}),
}  # fmt: skip
OPERATIONS |= {
    LINEAGE: Operation(
        "lineage",
        "The graph around a node, in Marquez' shape, from the index, which is up to an hour behind.",
        LineageAnswer,
        (InvalidRequest, InvalidNode, UnknownNode, AmbiguousNode),
        query=[parameter(name, *said, required=name == "nodeId") for name, said in _QUERY.items()],
    ),
    TAKE_EVENT: Operation(
        "takeEvent",
        "Take an OpenLineage event (2-0-2) of another tool.",
        EventAnswer,
        (InvalidEvent, EventTooLarge),
        body=OpenLineageEvent,
        status=HTTPStatus.CREATED,
    ),
}
_WINDOW: Mapping[str, tuple[str, dict[str, Any]]] = {
    "from": ("First day, UTC, by the predictions' `as_of`; by default the last seven that have predictions.",
             {"type": "string", "format": "date"}),
    "to": ("Last day, UTC; at most 31 days.", {"type": "string", "format": "date"}),
    "segment": ("One segment, such as `carrier=UA`.", {"type": "string"}),
    "as_of": ("Only what was received before this moment counts; ISO 8601 with a time zone.",
              {"type": "string", "format": "date-time"}),
}  # fmt: skip


def _question(
    identity: str, summary: str, answer: Any, names: str, errors: Sequence[type[HeadwaterError]]
) -> Operation:
    return Operation(
        identity,
        summary,
        answer,
        (InvalidRequest, ModelNotRegistered, *errors),
        query=[parameter(name, *_WINDOW[name]) for name in names.split()],
        has_tag=True,
    )


_NO_VERSION = (AliasNotFound, NoBank)
OPERATIONS |= {
    MODEL_STATUS: _question(
        "modelStatus", "How a model is by the last hourly look.", monitoring.StatusAnswer, "as_of", ()
    ),
    MODEL_DRIFT: _question(
        "modelDrift",
        "Each day of the version that serves beside the days of its training.",
        monitoring.DriftAnswer,
        "from to segment as_of",
        (*_NO_VERSION, NoSuchSegment),
    ),
    MODEL_QUALITY: _question(
        "modelQuality",
        "Shares of missing, unseen, infinite, frozen and outside values by day and column.",
        monitoring.QualityAnswer,
        "from to as_of",
        _NO_VERSION,
    ),
    MODEL_PERFORMANCE: _question(
        "modelPerformance",
        "How good the version that serves was by day: realised by labels, and estimated without.",
        monitoring.ModelPerformance,
        "from to segment as_of",
        (*_NO_VERSION, NoDefinition, NoSuchSegment, NoSuchDay),
    ),
}
_EXPOSITION = tuple(kind.partition(";")[0] for kind in (OPENMETRICS, TEXT))
OPERATIONS |= {
    METRICS: Operation(
        "metrics",
        "How every model is, as gauges in OpenMetrics, or in Prometheus' text format if Accept prefers it.",
        str,
        (),
        kinds=_EXPOSITION,
    ),
    SCRAPE: Operation(
        "scrapeMetrics",
        "The same for a Prometheus that shows a token of `headwater monitor token create`.",
        str,
        (TokenRefused,),
        kinds=_EXPOSITION,
        security=[{"bearer": []}],
    ),
}
OPERATIONS[FEEDBACK] = Operation(
    "feedback",
    "Keep what an end user says of a prediction whose token he holds.",
    feedback.FeedbackAnswer,
    (
        feedback_errors.InvalidFeedback,
        feedback_errors.TokenRefused,
        feedback_errors.FeedbackConflict,
        feedback_errors.FeedbackFull,
        feedback_errors.FeedbackTooLarge,
    ),
    body=feedback.FeedbackBody,
)
OPERATIONS |= alarms.OPERATIONS
IF_NONE_MATCH = parameter("If-None-Match", "ETags of answers that the caller has.", within="header")
PATH_NAMES = {
    "id": "A prediction: `<request_id>.<n>`, the first one of a request being 0.",
    "model": "A model that serves.",
    "view": "A feature view that a product declares.",
    **alarms.PATHS,
}
