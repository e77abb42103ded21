"""Stages, throttling, access logs, metrics and CORS of HTTP APIs, and their addresses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import urllib3
from localcloud.cloud import Cloud
from localcloud.http_api import HttpApis

from .conftest import Api

FORMAT = "$context.httpMethod $context.routeKey $context.status $context.integrationErrorMessage $context.unheard"


def test_a_throttled_function_is_unavailable(cloud: Cloud, api: Api, function: str) -> None:
    client = cloud.client("lambda")
    client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    answer = api("GET", "/echo/1")
    client.delete_function_concurrency(FunctionName=function)
    assert (answer.status, answer.json()) == (503, {"message": "Service Unavailable"})


def test_without_a_route_or_a_stage_nothing_is_found(make: Callable[[], Api]) -> None:
    api = make()
    api.route("GET /echo/{id}")
    for path in ("/echo/1", "/"):
        answer = api("GET", path)
        assert (answer.status, answer.json()) == (404, {"message": "Not Found"})
    api.stage()
    assert api("GET", "/echo/1").status == 200
    assert api("POST", "/echo/1").status == 404


def test_a_named_stage_is_a_prefix_and_has_variables(make: Callable[[], Api]) -> None:
    api = make()
    api.route("GET /echo/{id}")
    api.stage("prod", StageVariables={"colour": "blue"})
    event = api("GET", "/prod/echo/7").json()
    assert event["rawPath"] == event["requestContext"]["http"]["path"] == "/prod/echo/7"
    assert (event["pathParameters"], event["stageVariables"]) == ({"id": "7"}, {"colour": "blue"})
    assert event["requestContext"]["stage"] == "prod"
    assert api("GET", "/echo/7").status == 404


def test_a_stage_can_be_throttled_and_changed_later(api: Api) -> None:
    settings = {"ThrottlingRateLimit": 0.001, "ThrottlingBurstLimit": 2}
    api.client.update_stage(ApiId=api.id, StageName="$default", DefaultRouteSettings=settings)
    statuses = [api("GET", "/echo/1").status for _ in range(3)]
    assert statuses == [200, 200, 429]
    # Each route has a bucket of its own.
    refused = api("GET", "/echo/1")
    assert (refused.status, refused.json()) == (429, {"message": "Too Many Requests"})
    assert api("GET", "/files/1").status == 200


def test_access_logs_and_metrics_are_written(cloud: Cloud, api: Api) -> None:
    group = f"/http/{api.id}"
    arn = f"arn:aws:logs:{cloud.region}:{cloud.account_id}:log-group:{group}"
    api.client.update_stage(
        ApiId=api.id, StageName="$default", AccessLogSettings={"DestinationArn": arn, "Format": FORMAT}
    )
    for path in ("/echo/1", "/fail", "/nowhere"):
        api("GET", path)
    cloud.emulator(HttpApis).flush_logs()
    logs = cloud.client("logs")
    [stream] = logs.describe_log_streams(logGroupName=group)["logStreams"]
    events = logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True)
    assert [event["message"] for event in events["events"]] == [
        "GET ANY /echo/{id} 200 - -",
        "GET GET /fail 500 The Lambda function returned: on purpose -",
        "GET - 404 - -",
    ]
    for dimensions in ({"ApiId": api.id}, {"ApiId": api.id, "Stage": "$default"}):
        assert {name: total(cloud, name, dimensions) for name in ("Count", "4xx", "5xx")} == {
            "Count": 3,
            "4xx": 1,
            "5xx": 1,
        }
        assert total(cloud, "Latency", dimensions) >= total(cloud, "IntegrationLatency", dimensions) - 2


def total(cloud: Cloud, metric: str, dimensions: dict[str, str]) -> float:
    answer = cloud.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/ApiGateway",
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=cloud.clock.now() - timedelta(days=1),
        EndTime=cloud.clock.now() + timedelta(minutes=1),
        Period=172800,
        Statistics=["Sum"],
    )
    return float(sum(point["Sum"] for point in answer["Datapoints"]))


def test_cors_is_answered_by_the_api_itself(api: Api) -> None:
    api.client.update_api(
        ApiId=api.id,
        CorsConfiguration={
            "AllowOrigins": ["https://a.example"],
            "AllowMethods": ["GET"],
            "AllowHeaders": ["x"],
            "MaxAge": 5,
        },
    )
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    preflight = api("OPTIONS", "/anything", headers=asked)
    assert (preflight.status, preflight.body) == (204, b"")
    assert preflight.headers["access-control-allow-origin"] == "https://a.example"
    assert preflight.headers["access-control-allow-methods"] == "GET"
    assert preflight.headers["access-control-max-age"] == "5"
    assert api("GET", "/echo/1", headers=asked).headers["access-control-allow-origin"] == "https://a.example"
    assert "access-control-allow-origin" not in api("GET", "/echo/1", headers={"Origin": "https://b.example"}).headers


def test_answers_about_the_api_name_its_local_address_and_deletion_closes_the_port(
    make: Callable[[], Api],
) -> None:
    api = make()
    assert api.endpoint.startswith("http://127.0.0.1:")
    assert api.client.get_api(ApiId=api.id)["ApiEndpoint"] == api.endpoint
    assert api.endpoint in [each["ApiEndpoint"] for each in api.client.get_apis()["Items"]]
    other = make()
    other.client.delete_api(ApiId=other.id)
    with pytest.raises(urllib3.exceptions.NewConnectionError):
        other("GET", "/")
