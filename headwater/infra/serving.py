"""Serving: the predict function and the HTTP API in front of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta

import pulumi
import pulumi_aws as aws

import headwater.handlers.serving.predict
from headwater.infra.platform.alarm_topic import Threshold
from headwater.infra.platform.component import Component
from headwater.infra.platform.function import Function, FunctionArgs
from headwater.infra.platform.keys import MODELS, RUNS
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.tags import physical_name, tags
from headwater.infra.platform.uses import sign_feedback
from headwater.infra.policies import EXEMPTIONS, exempt
from headwater.routes import CARD, OPENAPI, PREDICT, Route

CAPABILITY = "serving"
ROUTES = {"post": PREDICT, "get": CARD, "openapi": OPENAPI}
"""The predict function's routes, by what their resources are called."""
# API Gateway waits 30 seconds at most; the function must end first to say what was wrong.
PREDICT_TIMEOUT = timedelta(seconds=29)
ACCESS_LOG = {
    "request_id": "$context.requestId",
    "time": "$context.requestTimeEpoch",
    "route": "$context.routeKey",
    "path": "$context.path",
    "status": "$context.status",
    "caller": "$context.identity.userArn",
    "ip": "$context.identity.sourceIp",
    "user_agent": "$context.identity.userAgent",
    "response_bytes": "$context.responseLength",
    "latency_ms": "$context.responseLatency",
    "integration_latency_ms": "$context.integrationLatency",
    "error": "$context.error.message",
    "integration_error": "$context.integrationErrorMessage",
}


class OpenRoute(pulumi.ComponentResource):
    """Holds one route that the API lets everybody call, so that the exemption from asking is this route's alone."""

    def __init__(self, name: str, route: Route, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:index:OpenRoute", name, {}, opts)
        self.register_outputs({EXEMPTIONS: [exempt("APIG4", route.open_because, of=[route.key])]})


class Serving(Component):
    """One predict function for every model, behind an HTTP API that asks who is calling (IAM)."""

    def __init__(self, name: str, platform: Platform, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, platform, opts)
        self._config, self._topic = platform.config, platform.topic
        self.predict = self._predict(platform)
        self.api = aws.apigatewayv2.Api(
            name,
            name=physical_name(name, "other"),
            description="Predictions and model cards.",
            protocol_type="HTTP",
            tags=tags(capability=CAPABILITY),
            opts=self._child,
        )
        integration = self._integrate(name, self.predict)
        routes = [self._route(f"{name}-{suffix}", route, self.predict, integration) for suffix, route in ROUTES.items()]
        self._stage(name, routes)
        self._watch(name)
        self.url = self.api.api_endpoint
        self.register_outputs({"url": self.url})

    def _predict(self, platform: Platform) -> Function:
        return Function(
            "serving-predict",
            FunctionArgs(
                platform=platform,
                handler=headwater.handlers.serving.predict,
                bundle="serving",
                memory_mib=self._config.predict_memory_mib,
                timeout=PREDICT_TIMEOUT,
                setting="predict_function",
                reserved_concurrency=self._config.predict_concurrency,
                uses=[
                    platform.registry.read(MODELS),
                    platform.features.read(),
                    platform.artifacts.read(RUNS),
                    platform.predictions.write(),
                    sign_feedback(platform),
                ],
                settings={"feedback_token_days": self._config.feedback_token_days},
            ),
            opts=self._child,
        )

    def route(self, name: str, route: Route, function: Function) -> None:
        """Let another function answer a route of the API: for whoever IAM lets through, or for everybody if it is open.

        The stage throttles open routes like the others. Their function must itself tell who may have an answer.
        """
        self._route(name, route, function, self._integrate(name, function))

    def routes(self, name: str, found: Mapping[str, Route], function: Function) -> None:
        """The same for several routes, by what their resources are called behind ``name``."""
        integration = self._integrate(name, function)
        for suffix, route in found.items():
            self._route(f"{name}-{suffix}", route, function, integration)

    def _integrate(self, name: str, function: Function) -> aws.apigatewayv2.Integration:
        return aws.apigatewayv2.Integration(
            name,
            api_id=self.api.id,
            integration_type="AWS_PROXY",
            integration_uri=function.arn,
            integration_method="POST",
            payload_format_version="2.0",
            timeout_milliseconds=30_000,
            opts=self._child,
        )

    def _route(
        self, name: str, route: Route, function: Function, integration: aws.apigatewayv2.Integration
    ) -> aws.apigatewayv2.Route:
        # Any stage, this method and path.
        source = pulumi.Output.concat(self.api.execution_arn, f"/*/{route.method}{route.any_path}")
        permission = function.allow_invocation(name, service="apigateway", source_arn=source)
        parent = OpenRoute(name, route, opts=self._child) if route.open_because else self
        return aws.apigatewayv2.Route(
            name,
            api_id=self.api.id,
            route_key=route.key,
            target=pulumi.Output.concat("integrations/", integration.id),
            authorization_type="NONE" if route.open_because else "AWS_IAM",
            opts=pulumi.ResourceOptions(parent=parent, depends_on=[permission]),
        )

    def _stage(self, name: str, routes: list[aws.apigatewayv2.Route]) -> None:
        logs = aws.cloudwatch.LogGroup(
            f"{name}-api",
            name=f"/aws/vendedlogs/apis/{physical_name(name, 'other')}",
            retention_in_days=self._config.log_retention_days,
            tags=tags(capability=CAPABILITY),
            opts=self._child,
        )
        aws.apigatewayv2.Stage(
            name,
            api_id=self.api.id,
            name="$default",
            auto_deploy=True,
            access_log_settings={"destination_arn": logs.arn, "format": json.dumps(ACCESS_LOG)},
            default_route_settings={
                "throttling_rate_limit": self._config.api_rate_per_second,
                "throttling_burst_limit": self._config.api_burst,
                "detailed_metrics_enabled": True,
            },
            tags=tags(capability=CAPABILITY),
            # The stage deploys what the API has by then.
            opts=pulumi.ResourceOptions(parent=self, depends_on=routes),
        )

    def _watch(self, name: str) -> None:
        slow = self._config.api_latency_p95_seconds
        failures, by = {f"{name}-api-5xx": ("5xx", "The API answered with a server error.")}, {"ApiId": self.api.id}
        self._topic.watch_failures(
            failures, namespace="AWS/ApiGateway", dimensions=by, capability=CAPABILITY, parent=self
        )
        self._topic.watch(
            f"{name}-api-latency",
            capability=CAPABILITY,
            namespace="AWS/ApiGateway",
            metric="Latency",
            dimensions=by,
            threshold=Threshold(above=slow * 1000, statistic="p95", bad_periods=3, periods=5),
            description=f"One request in twenty took longer than {slow} s, in three of five minutes.",
            parent=self,
        )
