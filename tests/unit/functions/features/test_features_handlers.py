"""The handlers that materialise what stands on a source, and that compare online with offline."""

from __future__ import annotations

import json

import pytest

from functions.features import finish, materialise, parity, split, write_shard
from functions.lake import ingest
from headwater.aws import client
from headwater.local.embedded_metrics import metrics_in
from headwater.model import load_catalog
from tests.unit.lake.invocation import Context
from tests.unit.lake.world import FEATURES, LAKE, MATERIALISATION, World

ROWS = """origin,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour
JFK,39.0,26,59.4,270,10.4,,0,1012,10,2013-01-01T06:00:00Z
JFK,40.0,27,59.4,270,10.4,,0,1012,10,2013-01-01T07:00:00Z
"""


def test_the_views_of_a_source_go_online_and_a_source_without_data_changes_nothing(world: World) -> None:
    for module in (ingest, materialise):
        module.service.cache_clear()  # type: ignore[attr-defined]
    upload = world.upload("landing/weather/2013-01.csv", ROWS)
    ingest.handler({"upload": upload.model_dump()}, Context())
    (done,) = materialise.handler({"source": "weather", "run_id": "run-1"}, Context())["views"]
    assert materialise.logger.get_current_keys()["run_id"] == "run-1"
    assert (done["view"], done["rows"], done["entities"], done["written"]) == ("origin_weather", 2, 1, 1)
    assert world.rows_online(load_catalog().view("origin_weather"))["origin|JFK"]["temp"] == 40.0
    assert materialise.handler({"source": "flights"}, Context()) == {"views": [], "complete": True}


def test_parity_counts_what_differs_and_logs_each_value(
    world: World, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    for module in (ingest.service, materialise.service, parity.parity):
        module.cache_clear()  # type: ignore[attr-defined]
    assert parity.handler({}, Context()) == {"views": []}
    last = ROWS.splitlines()[-1]
    two = f"{ROWS}{last.replace('JFK', 'EWR').replace('40.0', '30.0')}\n"
    ingest.handler({"upload": world.upload("landing/weather/2013-01.csv", two).model_dump()}, Context())
    materialise.handler({"source": "weather"}, Context())
    (found,) = parity.handler({}, Context())["views"]
    assert (found["view"], found["sampled"], found["different"]) == ("origin_weather", 2, 0)
    # What is said of Newark is said of Kennedy too.
    items = world.online()
    (kennedy,), (newark,) = ([key for key in items if place in key] for place in ("JFK", "EWR"))
    client("dynamodb").put_item(TableName=FEATURES, Item={**items[newark], "pk": {"S": kennedy}})
    capsys.readouterr()
    parity.handler({}, Context())
    lines = capsys.readouterr().out.splitlines()
    counted = {metric.name: metric for line in lines for metric in metrics_in(line)}
    assert counted["FeatureParityDifferences"].values == (1.0,)
    assert (counted["FeatureParityDifferences"].namespace, counted["FeatureParityCompared"].values) == (
        "Headwater",
        (2.0,),
    )
    assert counted["FeatureParityDifferences"].dimensions == {"service": "features"}
    (told,) = (vars(record) for record in caplog.records if record.levelname == "ERROR")
    assert (told["view"], told["entity"], told["feature"]) == ("origin_weather", ["JFK"], "temp")
    assert (told["online"], told["offline"]) == (30.0, 40.0)


def test_a_view_that_is_handed_over_goes_online_in_the_machines_three_steps(world: World) -> None:
    for module in (ingest.service, materialise.service, materialise.executions, split.service, write_shard.service,
                   finish.service):  # fmt: skip
        module.cache_clear()  # type: ignore[attr-defined]
    world.materialisation()
    last = ROWS.splitlines()[-1]
    rows = "\n".join([ROWS.strip(), *(last.replace("JFK", name) for name in ("EWR", "LGA"))]) + "\n"
    ingest.handler({"upload": world.upload("landing/weather/2013-01.csv", rows).model_dump()}, Context())
    answer = materialise.handler({"source": "weather", "distributed": True}, Context())
    (done,) = answer["views"]
    # Nobody needs to call again, though it isn't complete.
    assert (answer["complete"], done["complete"], done["written"]) == (True, False, 0)
    execution = MATERIALISATION.replace("stateMachine", "execution") + ":" + done["execution"]
    told = json.loads(client("stepfunctions").describe_execution(executionArn=execution)["input"])
    run = {"run_id": done["execution"]}
    parts = split.handler({"assignment": told, **run}, Context())
    shards = json.loads(
        client("s3").get_object(Bucket=LAKE, Key=parts["manifest"]["key"])["Body"].read()
    )  # fmt: skip
    assert [shard["entities"] for shard in shards] == [2, 1]
    written = sum(write_shard.handler({"shard": shard, **run}, Context())["written"] for shard in shards)
    finished = finish.handler({"assignment": told, "split": parts, "written": written, **run}, Context())
    assert (finished["complete"], finished["written"], finished["entities"]) == (True, 3, 3)
    assert len(world.rows_online(load_catalog().view("origin_weather"))) == 3
    assert materialise.handler({"source": "weather"}, Context())["views"][0]["execution"] == ""
