"""Features of the deployed system: found by the client, and checked against the offline rows by the daily function."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas
import pytest
import urllib3

from headwater.client import Stack
from headwater.client.waiting import wait_for
from headwater.declare import load_catalog
from headwater.features.online.encoding import unpack
from headwater.features.online.reading import attribute_of
from headwater.monitoring.skew import LEAST
from headwater.serving.store import PredictionStore
from headwater.serving.types import PredictionRecord
from tests.projects import Project
from tests.unit.features.shop import register

pytestmark = pytest.mark.cloud

HEADER = "origin,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour\n"
ROWS = "".join(
    f"{origin},{temp},26,59.4,270,10.4,,0,1012,10,2014-06-01T0{hour}:00:00Z\n"
    for origin, temp in (("JFK", 39.5), ("EWR", 30.5))
    for hour in (6, 7)
)


def leave_skew(deployed: Stack) -> dict[str, Any]:
    """Let a model's predictions have seen 99 degrees at Kennedy when it had 39.5; what the daily function says."""
    now = datetime.now(UTC)
    prediction = {"inputs": {"origin": "JFK"}, "features": {"origin_weather.temp": 99.0}, "value": 1.0}
    register(
        "airport", load_catalog().view("origin_weather"), artifacts=deployed.description.artifacts_bucket,
        table=deployed.description.registry_table, serves=False, clients=deployed.clients,
    )  # fmt: skip
    PredictionStore(deployed.description.predictions_bucket, deployed.clients).write(
        PredictionRecord(
            request_id="r-1", model="airport", version=1, alias="production", run_id="run-1", data_version="d",
            received_at=now, answered_at=now, as_of=datetime(2014, 6, 1, 8, 30, tzinfo=UTC), looked_up=True,
            predictions=[prediction] * LEAST,
        )
    )  # fmt: skip
    return invoke(deployed, "features-skew", {"day": now.date().isoformat()})


def upload_weather(project: Project, folder: Path) -> None:
    file = folder / "weather.csv"
    file.write_text(HEADER + ROWS)
    project.done("upload", "weather", str(file), "--wait")


def invoke(deployed: Stack, function: str, event: dict[str, Any]) -> dict[str, Any]:
    name = f"headwater-{deployed.description.name}-{function}"
    answer = deployed.clients("lambda").invoke(FunctionName=name, Payload=json.dumps(event).encode())
    found: dict[str, Any] = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, found
    return found


def test_tampered_items_late_views_and_skew_raise_alarms_that_name_them(
    project: Project, deployed: Stack, tmp_path: Path
) -> None:
    upload_weather(project, tmp_path)
    weather = next(view for view in project.done("features", "list") if view["view"] == "origin_weather")
    assert weather["state"] == "FRESH"
    (row,) = deployed.features.online([{"origin": "JFK"}], ["origin_weather.temp"])
    assert (row["origin_weather__status"], row["origin_weather__temp"]) == ("EXPIRED", None)

    def check() -> dict[str, Any]:
        return of_weather(invoke(deployed, "features-parity", {}))

    assert check()["different"] == 0
    table = deployed.description.features_table
    items = deployed.clients("dynamodb").scan(TableName=table)["Items"]
    kennedy, newark = (next(item for item in items if place in item["pk"]["S"]) for place in ("JFK", "EWR"))
    deployed.clients("dynamodb").put_item(TableName=table, Item={**newark, "pk": kennedy["pk"]})
    (mismatch,) = check()["mismatches"]
    deployed.clients("dynamodb").put_item(TableName=table, Item=kennedy)
    assert (mismatch["entity"], mismatch["feature"]) == (["JFK"], "temp")
    assert (mismatch["online"], mismatch["offline"]) == (30.5, 39.5)

    late = next(view for view in project.done("features", "materialise") if view["view"] == "weather_now")
    assert (late["entities"], late["complete"]) == (2, True)
    assert project.done("features", "materialise", "weather_now", "--full")[0]["written"] == 0
    (skewed,) = leave_skew(deployed)["models"]
    assert skewed["features"][0]["different"] == LEAST
    assert project.done("features", "skew", "airport")["features"] == skewed["features"]

    # The alarms look at five minutes at a time.
    project.done("local", "clock", "advance", "5m")
    prefix = f"headwater-{deployed.description.name}-features"
    expected = {f"{prefix}-parity-differences", f"{prefix}-materialise-late", f"{prefix}-skew"}

    def gone_off() -> object:
        return expected <= {alarm.name for alarm in deployed.alarms.list() if alarm.told} or None

    assert wait_for(gone_off, what="the alarms", timeout=120)
    logged = " ".join(line.message for line in deployed.logs.read("features-parity"))
    assert "online is not offline: origin_weather.temp of JFK: online 30.5" in logged
    assert "view weather_now is late" in " ".join(line.message for line in deployed.logs.read("features-materialise"))
    assert "origin_weather.temp of airport was skewed" in " ".join(
        line.message for line in deployed.logs.read("features-skew")
    )


def of_weather(found: dict[str, Any]) -> dict[str, Any]:
    """The part of an answer that is about the view of the weather."""
    view: dict[str, Any] = next(view for view in found["views"] if view["view"] == "origin_weather")
    return view


def test_streamed_rows_are_online_at_once_and_offline_once_committed(
    project: Project, deployed: Stack, tmp_path: Path
) -> None:
    upload_weather(project, tmp_path)
    # Airports that no other test looks at: what is streamed happened now, long after all uploads.
    view = load_catalog().view("origin_weather")
    table = deployed.description.features_table

    def streamed(origin: str, temp: float) -> dict[str, Any]:
        row = {"origin": origin, "event_time": datetime.now(UTC).isoformat(), "temp": temp}
        return {"view": "origin_weather", "rows": [row]}

    def online(origin: str) -> float | None:
        key = {"pk": {"S": f"origin|{origin}"}}
        item = deployed.clients("dynamodb").get_item(TableName=table, Key=key).get("Item", {})
        attribute = attribute_of(view.version)
        return unpack(item[attribute]["B"]).values[0] if attribute in item else None

    assert view.features[0].name == "temp"
    done = deployed.features.ingest("origin_weather", streamed("BDL", 41.5)["rows"])
    assert (done.written, done.version) == (1, view.version), [
        line.message for line in deployed.logs.read("features-stream")
    ]
    assert online("BDL") == 41.5
    url = f"{deployed.description.api_url}/features/origin_weather/rows"
    assert urllib3.request("POST", url, json=streamed("BDL", 1.0), timeout=30.0).status == 403

    file = tmp_path / "rows.csv"
    file.write_text(f"origin,event_time,temp\nALB,{datetime.now(UTC).isoformat()},43.5\nSYR,2026-01-01,warm\n")
    code, failure = project.refused("features", "ingest", "origin_weather", str(file))
    assert (code, failure["reason"]) == (1, "RowsRefused")
    assert "row 1: temp: 'warm', expected a number" in failure["message"]
    (row,) = project.done("features", "get", "origin_weather", "ALB")
    assert (row["origin_weather__temp"], row["origin_weather__status"]) == (43.5, "FOUND")

    queue = f"headwater-{deployed.description.name}-features-stream"
    sqs = deployed.clients("sqs")
    body = json.dumps(streamed("HPN", 42.5))
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"], MessageBody=body)
    assert wait_for(lambda: online("HPN"), what="the streamed row", timeout=120) == 42.5

    asked = pandas.DataFrame({"origin": ["BDL", "HPN"], "asked_at": [datetime.now(UTC)] * 2})

    def offline() -> list[float | None]:
        frame = deployed.features.historical(asked, ["origin_weather.temp"])
        return [None if pandas.isna(value) else value for value in frame["origin_weather__temp"]]

    assert offline() == [None, None]
    assert of_weather(invoke(deployed, "features-collect", {}))["calls"] == 3
    assert offline() == [41.5, 42.5]
    (logged,) = project.done("data", "log", "streamed/origin_weather")
    assert logged["message"] == "3 streamed calls: 3 rows"
    # Their items get the data's revision, and keep their values.
    assert invoke(deployed, "features-materialise", {"view": "origin_weather"})["views"][0]["written"] == 3
    assert [online("BDL"), online("HPN")] == [41.5, 42.5]
    parity = of_weather(invoke(deployed, "features-parity", {}))
    assert (parity["sampled"], parity["equal"]) == (3, 3)


def test_a_view_is_materialised_shard_by_shard_by_the_machine(
    project: Project, deployed: Stack, tmp_path: Path
) -> None:
    file = tmp_path / "upstate.csv"
    file.write_text(HEADER + ROWS.replace("JFK", "BUF").replace("EWR", "ROC"))
    project.done("upload", "weather", str(file), "--wait")
    table, dynamodb = deployed.description.features_table, deployed.clients("dynamodb")
    lost = [{"pk": {"S": f"origin|{origin}"}} for origin in ("BUF", "ROC")]

    def online() -> list[object]:
        # Another view's values are in the items too.
        attribute = attribute_of(load_catalog().view("origin_weather").version)
        items = [dynamodb.get_item(TableName=table, Key=key).get("Item", {}) for key in lost]
        return [unpack(item[attribute]["B"]).values if attribute in item else None for item in items]

    before = online()
    assert all(before)
    for key in lost:
        dynamodb.delete_item(TableName=table, Key=key)
    function = f"headwater-{deployed.description.name}-features-materialise"
    event = json.dumps({"view": "origin_weather", "full": True, "distributed": True})
    steps = deployed.clients("stepfunctions")
    executions = deployed.description.materialisation_arn.replace(":stateMachine:", ":execution:")

    def ask() -> str:
        answer = json.loads(deployed.clients("lambda").invoke(FunctionName=function, Payload=event)["Payload"].read())
        assert answer["complete"], answer
        return str(answer["views"][0]["execution"])

    def ended(execution: str) -> object:
        for told in deployed.features.show("origin_weather").in_progress:
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
    assert deployed.features.show("origin_weather").in_progress == ()

    def caught_up() -> object:
        # The machine's last step calls for what came meanwhile.
        lines = deployed.logs.read("features-materialise")
        return next((line for line in lines if f'"run_id":"{execution}"' in line.message.replace(" ", "")), None)

    assert wait_for(caught_up, what="the call after the run", timeout=120)
