"""docs/reference/openapi.json: the HTTP API as OpenAPI 3.1, from its routes, its messages and its errors.

A test holds every answer of the handlers' own tests against it (tests/unit/handlers/contract.py).
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter

from headwater import routes
from headwater.declare import LONGEST_BODY, RequestInput
from headwater.errors import HeadwaterError
from headwater.features.stream.rows import MOST_ROWS, Streamed
from headwater.lineage import messages as lineage
from headwater.monitoring import messages as monitoring
from headwater.monitoring.feedback import messages as feedback
from headwater.monitoring.labels import messages as labels
from headwater.routes import Route
from headwater.serving import messages
from tools.reference import alarms
from tools.reference.operation import JSON, Operation, parameter
from tools.reference.operations import (
    IF_NONE_MATCH,
    OPERATIONS,
    PATH_NAMES,
    GatewayError,
    OpenLineageEvent,
    RowProblem,
    RowsBody,
    RowsError,
)
from tools.reference.source import fields, markdown, summary

SERVED = "headwater/serving/openapi.json"
VERSION = "1"
"""Of the API. A new one may break callers; fields and routes that are added don't make one."""
TEXTS = (messages.PredictionBody, messages.PredictionAnswer, messages.Prediction, messages.ViewLookUp, messages.Card,
         messages.CardFeature, messages.ErrorAnswer, RequestInput, Streamed, lineage.LineageAnswer, lineage.GraphNode,
         lineage.GraphEdge, lineage.NodeData, lineage.EventAnswer, feedback.FeedbackBody,
         feedback.FeedbackAnswer, labels.LabelsBody, labels.LabelItem,
         labels.LabelsAnswer, labels.LabelVerdict, monitoring.MonitorFinding, monitoring.DriftDay,
         monitoring.DriftAnswer, monitoring.QualityShare, monitoring.QualityAnswer, monitoring.MetricFigure,
         monitoring.PerformanceStretch, monitoring.ModelPerformance, monitoring.StatusAnswer,
         *alarms.TEXTS)  # fmt: skip
"""The classes whose fields' docstrings become the schemas' descriptions."""
_DESCRIPTION = f"""\
Predictions, model cards, labels, feedback, streamed features, lineage, metrics and alarms of one Headwater stack.

Every request is signed with AWS Signature Version 4 (service `execute-api`, the stack's region), except where an
operation has another security: the caller needs `execute-api:Invoke` on the route. `headwater predict` and the Python
client sign by themselves. A body has at most {LONGEST_BODY:,} bytes of JSON for a prediction; NaN, Infinity and an
object that has one name twice are refused. Errors of the function are `ErrorAnswer`; API Gateway itself answers 403,
404, 429, 500 and 503 with `GatewayError`."""


def document() -> dict[str, Any]:
    """The whole description."""
    schemas: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for route, operation in OPERATIONS.items():
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(operation, route, schemas)
    _describe(schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Headwater",
            "version": VERSION,
            "description": _DESCRIPTION,
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The stack's output `api_url`."}],
        "security": [{"sigv4": []}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of `headwater monitor token create`.",
                },
                "sigv4": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "AWS Signature Version 4, service `execute-api`.",
                    "x-amazon-apigateway-authtype": "awsSigv4",
                },
            },
        },
    }


def render() -> str:
    """The file."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def undocumented() -> list[str]:
    """Properties without a description, and routes of the stack that no operation describes."""
    # What browsers ask of their own accord is no operation of a client's.
    known = {route for route in vars(routes).values() if isinstance(route, Route) and route.method != "OPTIONS"}
    silent = [
        f"{name}.{key}"
        for name, schema in document()["components"]["schemas"].items()
        for key, value in schema.get("properties", {}).items()
        if not value.get("description")
    ]
    return silent + sorted(route.key for route in known ^ OPERATIONS.keys())


def _operation(operation: Operation, route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    named = [parameter(name, PATH_NAMES[name], within="path", required=True) for name in route.parameters]
    made: dict[str, Any] = {
        "operationId": operation.identity,
        "summary": operation.summary,
        "parameters": [*named, *operation.query],
        "responses": {
            str(int(operation.status)): _content("Done.", _schema(operation.answer, schemas), operation.kinds)
        },
    }
    if operation.has_tag:
        made["parameters"].append(IF_NONE_MATCH)
        made["responses"]["304"] = {"description": "The answer is the one of `If-None-Match`; it has no body."}
        made["responses"]["200"]["headers"] = {
            "ETag": {"description": "Name of this very answer.", "schema": {"type": "string"}}
        }
    if operation.body:
        made["requestBody"] = {"required": True, "content": {JSON: {"schema": _schema(operation.body, schemas)}}}
    refusal, gateway = _schema(operation.refusal, schemas), _schema(GatewayError, schemas)
    answers = made["responses"]
    for status, words in _failures(operation.errors):
        answers[str(status)] = _content(words, {"anyOf": [refusal, gateway]})
        if operation.refusal is str:  # A page for people; API Gateway's own words stay JSON.
            answers[str(status)]["content"] = {
                JSON: {"schema": gateway}, **{kind: {"schema": refusal} for kind in operation.kinds},
            }  # fmt: skip
    answers["429"] = _content("Throttled; ask again later.", gateway)
    if route.open_because:
        made["security"] = list(operation.security)
    else:
        answers["403"] = _content("Not signed, or IAM lets the caller not.", gateway)
    made["responses"] = dict(sorted(answers.items()))
    return made


def _failures(errors: Sequence[type[HeadwaterError]]) -> Iterator[tuple[int, str]]:
    """Each status and what it means, by the errors that carry it."""
    # Without a name: what an error of the inside is called isn't told.
    inside = HTTPStatus.INTERNAL_SERVER_ERROR
    yield inside, "`InternalError`: the function failed; its log says why."
    for status in sorted({error.http_status for error in errors} - {inside}):
        words = [
            f"`{error.__name__}`: {summary(error.__doc__ or '')}" for error in errors if error.http_status == status
        ]
        yield status, " ".join(words)


def _content(words: str, schema: Mapping[str, Any], kinds: Sequence[str] = (JSON,)) -> dict[str, Any]:
    return {"description": words, "content": {kind: {"schema": dict(schema)} for kind in kinds}}


def _schema(kind: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    made = TypeAdapter(kind).json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    schemas |= made.pop("$defs", {})
    if "title" not in made or not inspect.isclass(kind) or kind is dict:
        return made
    schemas[made["title"]] = made
    return {"$ref": f"#/components/schemas/{made['title']}"}


def _describe(schemas: dict[str, Any]) -> None:
    """Write the classes' docstrings and those below their fields into their schemas; drop titles that say nothing."""
    owners = {
        owner.__name__: owner for owner in (*TEXTS, RowsBody, RowProblem, RowsError, OpenLineageEvent, GatewayError)
    }
    schemas["RowsBody"]["properties"]["rows"] |= {"minItems": 1, "maxItems": MOST_ROWS}
    for name, schema in schemas.items():
        owner = owners[name]
        schema["description"] = markdown(summary(owner.__doc__ or ""))
        bases = [base for base in (*getattr(owner, "__orig_bases__", ()), owner) if base in owners.values()]
        texts = {entry.name: entry.text for base in bases for entry in fields(base)}
        schema.pop("title", None)
        for key, value in schema.get("properties", {}).items():
            value.pop("title", None)
            value["description"] = markdown(texts[key])
