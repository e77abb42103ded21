"""The handlers that compare online with offline, and predictions with training."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from localcloud.embedded_metrics import metrics_in

from headwater.handlers.features import materialise
from headwater.handlers.lake import ingest
from headwater.handlers.monitoring import parity, skew
from headwater.monitoring.skew import LEAST
from headwater.storage.environment import CLIENTS
from tests.unit.features.shop import NOW, fill
from tests.unit.lake.invocation import Context
from tests.unit.lake.world import FEATURES, World
from tests.unit.monitoring.test_skew import log

ROWS = """origin,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour
JFK,39.0,26,59.4,270,10.4,,0,1012,10,2013-01-01T06:00:00Z
JFK,40.0,27,59.4,270,10.4,,0,1012,10,2013-01-01T07:00:00Z
"""


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
    CLIENTS("dynamodb").put_item(TableName=FEATURES, Item={**items[newark], "pk": {"S": kennedy}})
    capsys.readouterr()
    parity.handler({}, Context())
    lines = capsys.readouterr().out.splitlines()
    counted = {metric.name: metric for line in lines for metric in metrics_in(line)}
    assert counted["FeatureParityDifferences"].values == (1.0,)
    assert (counted["FeatureParityDifferences"].namespace, counted["FeatureParityCompared"].values) == (
        "Headwater",
        (2.0,),
    )
    assert counted["FeatureParityDifferences"].dimensions == {"service": "monitoring"}
    (told,) = (vars(record) for record in caplog.records if record.levelname == "ERROR")
    assert (told["view"], told["entity"], told["feature"]) == ("origin_weather", ["JFK"], "temp")
    assert (told["online"], told["offline"]) == (30.0, 40.0)


def test_a_skewed_day_is_counted_and_logged_and_a_day_without_predictions_is_not(
    world: World,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill(world)
    CLIENTS("s3").create_bucket(Bucket="predictions", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    monkeypatch.setenv("HEADWATER_PREDICTIONS_BUCKET", "predictions")
    monkeypatch.setenv("HEADWATER_ALARMING_SHARE", "0.1")
    skew.services.cache_clear()  # type: ignore[attr-defined]
    next_day = {"time": (NOW + timedelta(days=1)).isoformat()}

    def measured() -> tuple[dict[str, Any], list[float]]:
        capsys.readouterr()
        done = skew.handler(next_day, Context())
        lines = capsys.readouterr().out.splitlines()
        found = [metric for line in lines for metric in metrics_in(line) if metric.name == "FeatureSkew"]
        assert all(metric.dimensions == {"service": "monitoring"} for metric in found)
        return done, [value for metric in found for value in metric.values]

    assert measured() == ({"day": "2013-01-01", "models": [], "failed": {}}, [])
    for place in range(6):
        log(f"r-{place}", {"c": 61.0})
    # Too few to tell.
    assert measured()[1] == []
    log("r-6", dict.fromkeys([f"nowhere-{place}" for place in range(LEAST - 6)]))
    CLIENTS("s3").put_object(Bucket="predictions", Key="gone/date=2013-01-01/r-1.json", Body=json.dumps(
        {"features_from": "online", "version": 1}
    ))  # fmt: skip
    done, values = measured()
    assert values == [6 / LEAST]
    assert [model["model"] for model in done["models"]] == ["habit"]
    assert "gone" in done["failed"]
    (told,) = (vars(record) for record in caplog.records if record.levelname == "ERROR")
    assert (told["model"], told["feature"], told["different"]) == ("habit", "last_sale.amount", 6)
