"""Features of the deployed system: found by the client, and checked against the offline rows by the daily function."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from headwater.client import Headwater
from headwater.client.waiting import wait_for
from headwater.features.encoding import unpack
from headwater.features.online import attribute_of
from headwater.model import load_catalog
from tests.projects import Project

pytestmark = pytest.mark.cloud

HEADER = "origin,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour\n"
ROWS = "".join(
    f"{origin},{temp},26,59.4,270,10.4,,0,1012,10,2014-06-01T0{hour}:00:00Z\n"
    for origin, temp in (("JFK", 39.5), ("EWR", 30.5))
    for hour in (6, 7)
)


def test_a_tampered_online_item_raises_an_alarm_that_names_it(
    project: Project, deployed: Headwater, tmp_path: Path
) -> None:
    file = tmp_path / "weather.csv"
    file.write_text(HEADER + ROWS)
    project.done("upload", "weather", str(file), "--wait")
    weather = next(view for view in project.done("features", "list") if view["view"] == "origin_weather")
    assert weather["state"] == "FRESH"
    (row,) = deployed.features.online([{"origin": "JFK"}], ["origin_weather.temp"])
    assert (row["origin_weather__status"], row["origin_weather__temp"]) == ("EXPIRED", None)

    name = f"headwater-{deployed.stack.name}-features-parity"

    def check() -> dict[str, object]:
        answer = deployed.client("lambda").invoke(FunctionName=name, Payload=b"{}")
        found: dict[str, object] = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, found
        return next(view for view in found["views"] if view["view"] == "origin_weather")  # type: ignore[attr-defined]

    assert check()["different"] == 0
    table = deployed.stack.features_table
    items = deployed.client("dynamodb").scan(TableName=table)["Items"]
    kennedy, newark = (next(item for item in items if place in item["pk"]["S"]) for place in ("JFK", "EWR"))
    deployed.client("dynamodb").put_item(TableName=table, Item={**newark, "pk": kennedy["pk"]})
    (mismatch,) = check()["mismatches"]  # type: ignore[misc]
    deployed.client("dynamodb").put_item(TableName=table, Item=kennedy)
    assert (mismatch["entity"], mismatch["feature"]) == (["JFK"], "temp")
    assert (mismatch["online"], mismatch["offline"]) == (30.5, 39.5)

    # The alarm looks at five minutes at a time.
    project.done("local", "clock", "advance", "5m")

    def gone_off() -> object:
        alarms = deployed.alarms()
        return next((alarm for alarm in alarms if alarm.name == f"{name}-differences" and alarm.told == "ALARM"), None)

    assert wait_for(gone_off, what="the alarm", timeout=120)
    logged = " ".join(line.message for line in deployed.logs("features-parity"))
    assert "online is not offline: origin_weather.temp of JFK: online 30.5" in logged


def test_rows_that_are_streamed_through_the_api_and_the_queue_are_online_at_once(deployed: Headwater) -> None:
    # Airports that no other test looks at: what is streamed happened now, long after all uploads.
    view = load_catalog().view("origin_weather")
    table = deployed.stack.features_table

    def streamed(origin: str, temp: float) -> dict[str, object]:
        row = {"origin": origin, "event_time": datetime.now(UTC).isoformat(), "temp": temp}
        return {"view": "origin_weather", "rows": [row]}

    def online(origin: str) -> float | None:
        key = {"pk": {"S": f"origin|{origin}"}}
        item = deployed.client("dynamodb").get_item(TableName=table, Key=key).get("Item", {})
        attribute = attribute_of(view.version)
        return unpack(item[attribute]["B"]).values[0] if attribute in item else None

    assert view.features[0].name == "temp"
    url = f"{deployed.stack.api_url}/features/origin_weather/rows"
    request = AWSRequest("POST", url, data=json.dumps(streamed("BDL", 41.5)).encode())
    SigV4Auth(deployed.client("s3")._request_signer._credentials, "execute-api", deployed.stack.region).add_auth(
        request
    )
    answer = urllib3.request("POST", url, body=request.body, headers=dict(request.headers), timeout=30.0)
    assert (answer.status, answer.json().get("written")) == (200, 1), [
        line.message for line in deployed.logs("features-stream")
    ]
    assert online("BDL") == 41.5
    assert urllib3.request("POST", url, body=request.body, timeout=30.0).status == 403

    queue = f"headwater-{deployed.stack.name}-features-stream"
    sqs = deployed.client("sqs")
    body = json.dumps(streamed("HPN", 42.5))
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"], MessageBody=body)
    assert wait_for(lambda: online("HPN"), what="the streamed row", timeout=120) == 42.5


def test_a_view_is_materialised_shard_by_shard_by_the_machine(
    project: Project, deployed: Headwater, tmp_path: Path
) -> None:
    file = tmp_path / "upstate.csv"
    file.write_text(HEADER + ROWS.replace("JFK", "ALB").replace("EWR", "SYR"))
    project.done("upload", "weather", str(file), "--wait")
    table, dynamodb = deployed.stack.features_table, deployed.client("dynamodb")
    lost = [{"pk": {"S": f"origin|{origin}"}} for origin in ("ALB", "SYR")]

    def online() -> list[object]:
        return [dynamodb.get_item(TableName=table, Key=key).get("Item") for key in lost]

    before = online()
    assert all(before)
    for key in lost:
        dynamodb.delete_item(TableName=table, Key=key)
    function = f"headwater-{deployed.stack.name}-features-materialise"
    event = json.dumps({"view": "origin_weather", "full": True, "distributed": True})
    steps = deployed.client("stepfunctions")
    executions = deployed.stack.materialisation_arn.replace(":stateMachine:", ":execution:")

    def ask() -> str:
        answer = json.loads(deployed.client("lambda").invoke(FunctionName=function, Payload=event)["Payload"].read())
        assert answer["complete"], answer
        return str(answer["views"][0]["execution"])

    def ended(execution: str) -> object:
        for told in deployed.features.show("origin_weather").under_way:
            assert told.execution == execution
            assert told.shards is None or (told.shards_done or 0) <= told.shards
        status = steps.describe_execution(executionArn=f"{executions}:{execution}")["status"]
        return status if status != "RUNNING" else None

    # The first execution is stopped on its way; who calls again starts another for the same run.
    aborted = ask()
    steps.stop_execution(executionArn=f"{executions}:{aborted}")
    assert wait_for(lambda: ended(aborted), what="its end", timeout=120) == "ABORTED"
    execution = ask()
    assert execution == f"{aborted.removesuffix('-1')}-2"
    assert wait_for(lambda: ended(execution), what="the machine", timeout=120) == "SUCCEEDED"
    arn = f"{executions}:{execution}"
    (run,) = steps.list_map_runs(executionArn=arn)["mapRuns"]
    counts = steps.describe_map_run(mapRunArn=run["mapRunArn"])["itemCounts"]
    # A shard for each entity.
    assert counts["succeeded"] == counts["total"] >= 2
    assert online() == before
    assert deployed.features.show("origin_weather").under_way == ()

    def caught_up() -> object:
        # The machine's last step calls for what came meanwhile.
        lines = deployed.logs("features-materialise")
        return next((line for line in lines if f'"run_id":"{execution}"' in line.message.replace(" ", "")), None)

    assert wait_for(caught_up, what="the call after the run", timeout=120)
