"""Features of the deployed system: found by the client, and checked against the offline rows by the daily function."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headwater.client import Headwater
from headwater.client.waiting import wait_for
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
