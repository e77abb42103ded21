"""Stands in front of moto and refuses what breaks a limit, with the service's own error."""

from __future__ import annotations

import gzip
import json
import re
from functools import cache
from typing import Any

from moto.core.parse import PROTOCOL_PARSERS
from moto.core.utils import get_service_model
from werkzeug.wrappers import Response

from localcloud.api_call import ApiCall
from localcloud.identity import calls
from localcloud.limits.rules import RULES, Broken, object_key
from localcloud.limits.shapes import problems, refusal_text
from localcloud.refusals import operation_name, refusal

# Signing name -> botocore's name and the code of a request that breaks the model.
_SERVICES = {
    "codebuild": ("codebuild", "InvalidInputException"),
    "dynamodb": ("dynamodb", "ValidationException"),
    "ecr": ("ecr", "InvalidParameterException"),
    "ecs": ("ecs", "InvalidParameterException"),
    "emr-serverless": ("emr-serverless", "ValidationException"),
    "events": ("events", "ValidationException"),
    "iam": ("iam", "ValidationError"),
    "kms": ("kms", "ValidationException"),
    "lambda": ("lambda", "ValidationException"),
    "logs": ("logs", "InvalidParameterException"),
    "monitoring": ("cloudwatch", "ValidationError"),
    "scheduler": ("scheduler", "ValidationException"),
    "sns": ("sns", "InvalidParameter"),
    "ssm": ("ssm", "ValidationException"),
    "states": ("stepfunctions", "ValidationException"),
}
_INVOCATION = re.compile(r"/\d{4}-\d\d-\d\d/functions/[^/]+/(invocations|invoke-async)/?")


class Limits:
    """Answers at the dispatcher, after the caller's rights were judged."""

    def __call__(self, call: ApiCall) -> Response | None:
        """The refusal, or None to let the call through."""
        if (broken := self._broken(call)) is None:
            return None
        return refusal(call, broken.code, broken.message, broken.status)

    def _broken(self, call: ApiCall) -> Broken | None:
        if call.service == "s3":
            return object_key(call)
        if call.service not in _SERVICES or _INVOCATION.fullmatch(call.request.path):
            return None
        name, code = _SERVICES[call.service]
        model = _model(name)
        operation = operation_name(call)
        if operation not in model.operation_names:
            return None  # moto, or nobody, knows it
        shape = model.operation_model(operation).input_shape
        given = _parameters(call, model, operation)
        if given is None or shape is None:
            return None
        if found := list(problems(shape, given)):
            return Broken(code, refusal_text(found))
        rule = RULES.get((call.service, operation))
        return rule(given) if rule else None


@cache
def _model(name: str) -> Any:
    return get_service_model(name)


def _parameters(call: ApiCall, model: Any, operation: str) -> dict[str, Any] | None:
    """The parameters by the model's names; None if they can't be read, which moto answers."""
    if not call.operation and call.request.mimetype != "application/x-www-form-urlencoded":
        return calls.parameters(call)
    if call.request.mimetype == "application/x-www-form-urlencoded":
        parser = PROTOCOL_PARSERS["query"](model.operation_model(operation), map_type=dict)
        parsed = parser.parse(
            {
                "values": call.request.values,
                "headers": call.request.headers,
                "url_path": call.request.path,
                "method": "POST",
                "body": b"",
                "url_params": {},
            }
        )
        return dict(parsed)
    content = call.request.get_data(cache=True) or b"{}"
    try:
        # Clients compress large requests, such as those of PutMetricData.
        body = json.loads(gzip.decompress(content) if call.request.content_encoding == "gzip" else content)
    except (OSError, ValueError):
        return None
    return body if isinstance(body, dict) else None
