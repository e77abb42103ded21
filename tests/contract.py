"""Holds a handler's answers against the OpenAPI description; the handlers' own tests pass every answer through."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

DOCUMENT = json.loads((Path(__file__).parents[1] / "docs/reference/openapi.json").read_text())


def held(event: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """The answer, if the description of the event's route has its status, and its body the schema of that."""
    http = event["requestContext"]["http"]
    operation = _operation(http["method"].lower(), event["rawPath"])
    # A path that the API has no route for never reaches a function on AWS.
    responses = operation["responses"] if operation else {"404": {"schema": "ErrorAnswer"}}
    status = str(answer["statusCode"])
    assert status in responses, f"{http['method']} {event['rawPath']} answered {status}, documented: {list(responses)}"
    kind = answer["headers"]["Content-Type"].partition(";")[0]
    schema = responses[status]["content"][kind]["schema"] if operation else _reference("ErrorAnswer")
    body = json.loads(answer["body"]) if kind == "application/json" else answer["body"]
    problems = [error.message for error in _validator(json.dumps(schema)).iter_errors(body)]
    assert problems == [], answer["body"]
    return answer


def body_problems(path: str, body: Any) -> list[str]:
    """What the schema of a POST's body has against ``body``."""
    schema = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return [error.message for error in _validator(json.dumps(schema)).iter_errors(body)]


def _operation(method: str, path: str) -> dict[str, Any] | None:
    for template, operations in DOCUMENT["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) and method in operations:
            found: dict[str, Any] = operations[method]
            return found
    return None


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


@cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator({**json.loads(schema), "components": DOCUMENT["components"]})
