"""The handlers that materialise, and that watch freshness."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from localcloud.embedded_metrics import metrics_in

from headwater.declare import load_catalog
from headwater.features.catalog.freshness import Freshness
from headwater.handlers.features import finish, materialise, split, write_shard
from headwater.handlers.lake import ingest
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.features.shop import NOW, SECOND, UNSEEN, fill
from tests.unit.lake.invocation import Context
from tests.unit.lake.world import LAKE, MATERIALISATION, REGISTRY, World

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


def test_views_that_declare_a_freshness_are_late_when_their_newest_event_is_older(world: World) -> None:
    fill(world)
    limit = SECOND.freshness
    assert limit == timedelta(hours=12)
    newest = NOW.replace(hour=5, minute=0)
    views = (SECOND, UNSEEN, SECOND.model_copy(update={"name": "undeclared", "freshness": None}))

    def ages(now: datetime) -> list[tuple[str, float | None, bool]]:
        found = Freshness(views, Table(REGISTRY, CLIENTS), now=lambda: now).ages()
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
    materialise.count_late_views(Freshness([UNSEEN], Table(REGISTRY, CLIENTS)).ages())
    assert "FeatureViewsLate" not in capsys.readouterr().out
    materialise.count_late_views(Freshness([SECOND], Table(REGISTRY, CLIENTS)).ages())
    materialise.metrics.flush_metrics()
    (line,) = capsys.readouterr().out.splitlines()
    (late,) = metrics_in(line)
    assert (late.name, late.values, late.dimensions) == ("FeatureViewsLate", (1.0,), {"service": "features"})
    assert json.loads(line)["view_age_seconds"]["last_sale"] > 10 * 365 * 86_400
    assert "view last_sale is late" in caplog.text


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
    told = json.loads(CLIENTS("stepfunctions").describe_execution(executionArn=execution)["input"])
    run = {"run_id": done["execution"]}
    parts = split.handler({"assignment": told, **run}, Context())
    shards = json.loads(
        CLIENTS("s3").get_object(Bucket=LAKE, Key=parts["manifest"]["key"])["Body"].read()
    )  # fmt: skip
    assert [shard["entities"] for shard in shards] == [2, 1]
    written = sum(write_shard.handler({"shard": shard, **run}, Context())["written"] for shard in shards)
    finished = finish.handler({"assignment": told, "split": parts, "written": written, **run}, Context())
    assert (finished["complete"], finished["written"], finished["entities"]) == (True, 3, 3)
    assert len(world.rows_online(load_catalog().view("origin_weather"))) == 3
    assert materialise.handler({"source": "weather"}, Context())["views"][0]["execution"] == ""
