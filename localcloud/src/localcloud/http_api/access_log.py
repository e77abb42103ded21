"""Lines of the access log.

Variables: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from localcloud.http_api.payload import Handling, HttpResponse

_VARIABLE = re.compile(r"\$context\.([A-Za-z0-9_.-]*[A-Za-z0-9_-])")


def render(template: str, variables: Mapping[str, Any]) -> str:
    """``template`` with each ``$context.`` variable replaced; what isn't known is a dash, as on AWS."""
    return _VARIABLE.sub(lambda match: str(variables.get(match[1], "-")), template).rstrip("\n")


def variables(
    handling: Handling, response: HttpResponse, *, latency_ms: float, integration: Mapping[str, Any]
) -> dict[str, Any]:
    """What ``$context.`` stands for after a request was answered.

    ``integration`` holds what is known of the function's part: ``latency`` (ms), ``status``, ``requestId``, ``error``.
    """
    request, iam = handling.request, handling.iam or {}
    known: dict[str, Any] = {
        "accountId": handling.account_id,
        "apiId": handling.api_id,
        "awsEndpointRequestId": integration.get("requestId"),
        "dataProcessed": len(request.body) + len(response.body),
        "domainName": handling.domain_name,
        "domainPrefix": handling.domain_name.partition(".")[0],
        "error.message": integration.get("message"),
        "extendedRequestId": handling.request_id,
        "httpMethod": request.method,
        "identity.accountId": iam.get("accountId"),
        "identity.caller": iam.get("callerId"),
        "identity.sourceIp": request.source_ip,
        "identity.user": iam.get("userId"),
        "identity.userAgent": request.header("user-agent"),
        "identity.userArn": iam.get("userArn"),
        "integration.error": integration.get("error"),
        "integration.integrationStatus": integration.get("status"),
        "integration.latency": integration.get("latency"),
        "integration.requestId": integration.get("requestId"),
        "integration.status": 200 if integration.get("status") else None,
        "integrationErrorMessage": integration.get("error"),
        "integrationLatency": integration.get("latency"),
        "integrationStatus": integration.get("status"),
        "path": request.path,
        "protocol": request.protocol,
        "requestId": handling.request_id,
        "requestTime": f"{handling.time:%d/%b/%Y:%H:%M:%S} +0000",
        "requestTimeEpoch": int(handling.time.timestamp()),
        "responseLatency": round(latency_ms),
        "responseLength": len(response.body),
        "routeKey": handling.route_key or None,
        "stage": handling.stage,
        "status": response.status,
    }
    return {name: value for name, value in known.items() if value is not None}
