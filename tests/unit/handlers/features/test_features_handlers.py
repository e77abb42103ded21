"""The handlers that materialise, that compare online with offline, and that watch freshness and skew."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from localcloud.embedded_metrics import metrics_in

from headwater.declare import load_catalog
from headwater.features.catalog.freshness import Freshness
from headwater.handlers.features import finish, materialise, parity, skew, split, write_shard
from headwater.handlers.lake import ingest
from headwater.serving.skew import LEAST
from headwater.storage.clients import client
from headwater.storage.table import Table
from tests.unit.features.shop import NOW, SECOND, UNSEEN, fill
from tests.unit.lake.invocation import Context
from tests.unit.lake.world import FEATURES, LAKE, MATERIALISATION, REGISTRY, World
from tests.unit.serving.test_skew import log

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


def test_views_that_declare_a_freshness_are_late_when_their_newest_event_is_older(world: World) -> None:
    fill(world)
    limit = SECOND.freshness
    assert limit == timedelta(hours=12)
    newest = NOW.replace(hour=5, minute=0)
    views = (SECOND, UNSEEN, SECOND.model_copy(update={"name": "undeclared", "freshness": None}))

    def ages(now: datetime) -> list[tuple[str, float | None, bool]]:
        found = Freshness(views, Table(REGISTRY), now=lambda: now).ages()
        return [(age.view, age.age_seconds, age.late) for age in found]

    assert ages(newest + limit) == [("last_sale", 12 * 3600.0, False)]
    assert ages(newest + limit + timedelta(seconds=1)) == [("last_sale", 12 * 3600.0 + 1, True)]


def test_late_views_are_counted_with_ages_and_none_without_a_declared_freshness(
    world: World, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    for built in (materialise.service, materialise.freshness):
        built.cache_clear()  # type: ignore[attr-defined]
    materialise.handler({}, Context())
    fill(world)
    materialise.count_late_views(Freshness([UNSEEN], Table(REGISTRY)).ages())
    assert "FeatureViewsLate" not in capsys.readouterr().out
    materialise.count_late_views(Freshness([SECOND], Table(REGISTRY)).ages())
    materialise.metrics.flush_metrics()
    (line,) = capsys.readouterr().out.splitlines()
    (late,) = metrics_in(line)
    assert (late.name, late.values, late.dimensions) == ("FeatureViewsLate", (1.0,), {"service": "features"})
    assert json.loads(line)["view_age_seconds"]["last_sale"] > 10 * 365 * 86_400
    assert "view last_sale is late" in caplog.text


def test_a_skewed_day_is_counted_and_logged_and_a_day_without_predictions_is_not(
    world: World,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill(world)
    client("s3").create_bucket(Bucket="predictions", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    monkeypatch.setenv("HEADWATER_PREDICTIONS_BUCKET", "predictions")
    monkeypatch.setenv("HEADWATER_ALARMING_SHARE", "0.1")
    skew.services.cache_clear()  # type: ignore[attr-defined]
    next_day = {"time": (NOW + timedelta(days=1)).isoformat()}

    def measured() -> tuple[dict[str, Any], list[float]]:
        capsys.readouterr()
        done = skew.handler(next_day, Context())
        lines = capsys.readouterr().out.splitlines()
        found = [metric for line in lines for metric in metrics_in(line) if metric.name == "FeatureSkew"]
        assert all(metric.dimensions == {"service": "features"} for metric in found)
        return done, [value for metric in found for value in metric.values]

    assert measured() == ({"day": "2013-01-01", "models": [], "failed": {}}, [])
    for place in range(6):
        log(f"r-{place}", {"c": 61.0})
    # Too few to tell.
    assert measured()[1] == []
    log("r-6", dict.fromkeys([f"nowhere-{place}" for place in range(LEAST - 6)]))
    client("s3").put_object(Bucket="predictions", Key="gone/date=2013-01-01/r-1.json", Body=json.dumps(
        {"features_from": "online", "version": 1}
    ))  # fmt: skip
    done, values = measured()
    assert values == [6 / LEAST]
    assert [model["model"] for model in done["models"]] == ["habit"]
    assert "gone" in done["failed"]
    (told,) = (vars(record) for record in caplog.records if record.levelname == "ERROR")
    assert (told["model"], told["feature"], told["different"]) == ("habit", "last_sale.amount", 6)


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
