"""HTTP API events and Lambda contexts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from headwater.serving.staging import http_event


@dataclass
class Context:
    """What a Lambda's handler is told of its invocation."""

    aws_request_id: str = "request-1"
    function_name: str = "headwater-test-predict"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:headwater-test-predict"


def post(path: str, body: Any, **query: str) -> dict[str, Any]:
    """A POST; a body that isn't text is sent as JSON."""
    return http_event(path, body if isinstance(body, str) else json.dumps(body), **query)


def get(path: str, **query: str) -> dict[str, Any]:
    """A GET."""
    event = http_event(path, "", **query)
    event["requestContext"]["http"]["method"] = "GET"
    return event
