"""What one HTTP API does with a request: stage, route, throttle, IAM, function, log."""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from localcloud.account import ACCESS_KEY, SECRET_KEY
from localcloud.context import CloudContext
from localcloud.events.permissions import is_allowed
from localcloud.functions import Functions, LambdaError, Outcome
from localcloud.functions.configuration import backend_of, parse_name
from localcloud.http_api import access_log, cors, payload
from localcloud.http_api.payload import Handling, HttpRequest, HttpResponse, message
from localcloud.http_api.routes import select
from localcloud.http_api.sigv4 import SignatureRefusedError, SignedRequest, verify
from localcloud.http_api.throttle import TokenBucket
from localcloud.telemetry import Telemetry

PAYLOAD_BYTES = 10 * 1024 * 1024
"""https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html; the time limit as well."""
_LONGEST_INTEGRATION_MS = 30_000
_FUNCTION = re.compile(r"arn:aws:lambda:[a-z0-9-]+:\d{12}:function:[A-Za-z0-9_:$-]+")
_NO_PERMISSION = (
    "The IAM role configured on the integration or API Gateway doesn't have permissions to call the integration. "
    "Check the permissions and try again."
)

_logger = logging.getLogger(__name__)

Allows = Callable[[str, str], bool]
"""(access key id, execute-api ARN) -> may that key invoke it?"""


class _Refusal(Exception):
    def __init__(self, status: int, text: str, /, **integration: Any) -> None:
        super().__init__(text)
        self.response = message(status, text)
        self.integration = {"message": text, **integration}


@dataclass
class _Exchange:
    """A request on its way; filled in as more becomes known."""

    handling: Handling
    route: Any = None
    stage: Any = None
    integration: dict[str, Any] = field(default_factory=dict)


class Gateway:
    """Answers for one API.

    Parameters
    ----------
    cloud : CloudContext
        Where functions, keys and logs are.
    api : object
        Moto's API: routes, stages and integrations are read from it anew for each request.
    functions : Functions
        What integrations call.
    telemetry : Telemetry
        Of AWS/ApiGateway.
    allows : callable
        Whether an access key may invoke a route.
    """

    def __init__(
        self, cloud: CloudContext, api: Any, functions: Functions, telemetry: Telemetry, allows: Allows
    ) -> None:
        self._cloud = cloud
        self._api = api
        self._functions = functions
        self._telemetry = telemetry
        self._allows = allows
        self._buckets: dict[tuple[str, str], TokenBucket] = {}
        self._buckets_lock = threading.Lock()
        self._log_stream = os.urandom(16).hex()

    def handle(self, request: HttpRequest) -> HttpResponse:
        """The answer to ``request``, counted and logged."""
        began = time.perf_counter()
        exchange = _Exchange(
            Handling(
                request=request,
                account_id=self._cloud.account_id,
                api_id=self._api.api_id,
                domain_name=request.header("host"),
                stage="",
                route_key="",
                request_id=base64.b64encode(os.urandom(11)).decode(),
                time=datetime.now(UTC),
            )
        )
        try:
            response = self._answer(exchange)
        except _Refusal as refusal:
            response = refusal.response
            exchange.integration |= refusal.integration
        except Exception:
            _logger.exception("API %s failed at %s %s", self._api.api_id, request.method, request.path)
            response = message(500, "Internal Server Error")
        if self._api.cors_configuration and request.method != "OPTIONS":
            cors.decorate(self._api.cors_configuration, request, response)
        response.headers.append(("apigw-requestid", exchange.handling.request_id))
        self._account(exchange, response, (time.perf_counter() - began) * 1000)
        return response

    def _answer(self, exchange: _Exchange) -> HttpResponse:
        request = exchange.handling.request
        path = self._choose_stage(exchange)
        if self._api.cors_configuration and (preflight := cors.preflight(self._api.cors_configuration, request)):
            return preflight
        routes = {route.route_key: route for route in tuple(self._api.routes.values())}
        found = select(routes, request.method, path)
        if found is None:
            raise _Refusal(404, "Not Found")
        exchange.route = routes[found.route_key]
        exchange.handling = replace(exchange.handling, route_key=found.route_key, path_parameters=found.path_parameters)
        if len(request.body) > PAYLOAD_BYTES:
            raise _Refusal(413, "Request Entity Too Large")
        self._authorise(exchange, path)
        self._throttle(exchange)
        return self._integrate(exchange)

    def _choose_stage(self, exchange: _Exchange) -> str:
        """Find the stage and return the path within it."""
        stages = self._api.stages
        path = exchange.handling.request.path
        first, _, rest = path[1:].partition("/")
        name = unquote(first)
        if name in stages and name != "$default":
            path = f"/{rest}"
        elif "$default" in stages:
            name = "$default"
        else:
            raise _Refusal(404, "Not Found")
        if self._api.disable_execute_api_endpoint in (True, "true"):
            raise _Refusal(404, "Not Found")
        exchange.stage = stages[name]
        exchange.handling = replace(exchange.handling, stage=name, stage_variables=exchange.stage.stage_variables or {})
        return path

    def _authorise(self, exchange: _Exchange, path: str) -> None:
        kind = exchange.route.authorization_type or "NONE"
        if kind == "NONE":
            return
        if kind != "AWS_IAM":
            raise _Refusal(500, "Internal Server Error", error=f"the local cloud has no {kind} authorizers")
        request = exchange.handling.request
        signed = SignedRequest(request.method, request.path, request.query, request.headers, request.body)
        try:
            key = verify(signed, self._secret_of, service="execute-api")
        except SignatureRefusedError as error:
            raise _Refusal(403, "Forbidden", error=str(error)) from error
        role = self._cloud.principals.get(key)
        resource = self._execute_arn(exchange, f"{request.method}{path}")
        if not self._allows(key, resource):
            raise _Refusal(403, "Forbidden", error=f"{role or 'root'} may not execute-api:Invoke on {resource}")
        exchange.handling = replace(exchange.handling, iam=_identity(key, role, self._cloud.account_id))

    def _secret_of(self, key: str) -> str | None:
        return SECRET_KEY if key == ACCESS_KEY or key in self._cloud.principals else None

    def _throttle(self, exchange: _Exchange) -> None:
        stage, key = exchange.stage, exchange.handling.route_key
        own = (stage.route_settings or {}).get(key) or {}
        settings = {**(stage.default_route_settings or {}), **own}
        rate, burst = settings.get("throttlingRateLimit"), settings.get("throttlingBurstLimit")
        if rate is None and burst is None:
            return
        # A stage's settings hold for each of its routes by itself.
        rate, burst = float(10_000 if rate is None else rate), float(5_000 if burst is None else burst)
        with self._buckets_lock:
            bucket = self._buckets.get((stage.name, key))
            if bucket is None or (bucket.rate, bucket.burst) != (rate, burst):
                bucket = self._buckets[stage.name, key] = TokenBucket(rate, burst)
        if not bucket.take():
            raise _Refusal(429, "Too Many Requests")

    def _integrate(self, exchange: _Exchange) -> HttpResponse:
        handling = exchange.handling
        integration = self._api.integrations.get(str(exchange.route.target or "").removeprefix("integrations/"))
        arn = _function_of(integration, handling.stage_variables)
        if arn is None:
            raise _Refusal(500, "Internal Server Error", error="the route has no Lambda proxy integration")
        if integration.payload_format_version == "1.0":
            raise _Refusal(500, "Internal Server Error", error="the local cloud speaks payload format 2.0 only")
        template = handling.route_key.partition(" ")[2] or f"/{handling.route_key}"
        source = self._execute_arn(exchange, f"{handling.request.method}{template}")
        # A credentials role takes the place of the function's own policy.
        if not integration.credentials_arn and not self._may_invoke(arn, source):
            raise _Refusal(500, "Internal Server Error", error=_NO_PERMISSION)
        outcome = self._invoke(exchange, arn, integration)
        if outcome.function_error:
            failure = outcome.json() or {}
            text = failure.get("errorMessage", "") if isinstance(failure, dict) else ""
            raise _Refusal(500, "Internal Server Error", status=200, error=f"The Lambda function returned: {text}")
        try:
            response = payload.response(outcome.payload)
        except payload.MalformedAnswerError as error:
            raise _Refusal(500, "Internal Server Error", status=200, error=str(error)) from error
        exchange.integration["status"] = response.status
        return response

    def _invoke(self, exchange: _Exchange, arn: str, integration: Any) -> Outcome:
        handling = exchange.handling
        event = json.dumps(payload.event(handling), ensure_ascii=False).encode()
        limit = min(int(integration.timeout_in_millis or _LONGEST_INTEGRATION_MS), _LONGEST_INTEGRATION_MS)
        future: Future[Outcome] = Future()
        trace_id = handling.request.header("x-amzn-trace-id")

        def call() -> None:
            try:
                future.set_result(self._functions.invoke(arn, event, trace_id=trace_id))
            except BaseException as error:
                future.set_exception(error)

        began = time.perf_counter()
        # A thread of its own: the function works on after the gateway has given up, as on AWS.
        threading.Thread(target=call, name="http-api-integration", daemon=True).start()
        try:
            outcome = future.result(limit / 1000)
        except FutureTimeoutError:
            raise _Refusal(503, "Service Unavailable", error="Endpoint request timed out") from None
        except LambdaError as error:
            if error.status == 429:
                raise _Refusal(503, "Service Unavailable", status=429, error=error.message) from error
            if error.status == 413:
                raise _Refusal(413, "Request Entity Too Large", error=error.message) from error
            raise _Refusal(500, "Internal Server Error", error=error.message) from error
        finally:
            exchange.integration["latency"] = round((time.perf_counter() - began) * 1000)
        exchange.integration["requestId"] = outcome.request_id
        return outcome

    def _may_invoke(self, function_arn: str, source_arn: str) -> bool:
        name, _ = parse_name(function_arn, None)
        statements = tuple(backend_of(self._cloud).get_function(name).policy.statements)
        service, account = "apigateway.amazonaws.com", self._cloud.account_id
        return is_allowed(statements, service=service, source_arn=source_arn, account=account)

    def _execute_arn(self, exchange: _Exchange, rest: str) -> str:
        cloud, stage = self._cloud, exchange.handling.stage
        return f"arn:aws:execute-api:{cloud.region}:{cloud.account_id}:{self._api.api_id}/{stage}/{rest}"

    def _account(self, exchange: _Exchange, response: HttpResponse, latency_ms: float) -> None:
        stage = exchange.handling.stage
        for dimensions in ({"ApiId": self._api.api_id}, {"ApiId": self._api.api_id, "Stage": stage}):
            if not dimensions.get("Stage", "-"):
                continue
            count = self._telemetry.metric
            count("Count", 1, **dimensions)
            count("4xx", 1 if 400 <= response.status < 500 else 0, **dimensions)
            count("5xx", 1 if response.status >= 500 else 0, **dimensions)
            count("Latency", latency_ms, "Milliseconds", **dimensions)
            if "latency" in exchange.integration:
                count("IntegrationLatency", exchange.integration["latency"], "Milliseconds", **dimensions)
        settings = (exchange.stage.access_log_settings if exchange.stage is not None else None) or {}
        group = str(settings.get("destinationArn", "")).partition(":log-group:")[2].removesuffix(":*")
        if group and settings.get("format"):
            known = access_log.variables(
                exchange.handling, response, latency_ms=latency_ms, integration=exchange.integration
            )
            self._telemetry.line(group, self._log_stream, access_log.render(settings["format"], known))


def _function_of(integration: Any, stage_variables: Mapping[str, str]) -> str | None:
    if integration is None or integration.integration_type != "AWS_PROXY":
        return None
    uri = re.sub(
        r"\$\{stageVariables\.(\w+)\}",
        lambda match: stage_variables.get(match[1], ""),
        str(integration.integration_uri),
    )
    match = _FUNCTION.search(uri)
    return match[0] if match else None


def _identity(key: str, role: str | None, account: str) -> dict[str, Any]:
    """``authorizer.iam``: a role's caller is an assumed role, whose session we name after its key."""
    if role is None:
        arn, user = f"arn:aws:iam::{account}:root", account
    else:
        name = role.rpartition("/")[2]
        arn, user = f"arn:aws:sts::{account}:assumed-role/{name}/{key}", f"AROA{key[4:]}:{key}"
    return {
        "accessKey": key,
        "accountId": account,
        "callerId": user,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": arn,
        "userId": user,
    }
