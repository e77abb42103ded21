"""The container's entry point: what it is told, what it says when it fails, and its exit code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from headwater.container import task
from headwater.storage.environment import CLIENTS
from headwater.training.store import failure_of
from tests.unit.lake.world import ARTIFACTS, World


@pytest.mark.parametrize("arguments", [[], ["train"], ["train", "flight_delay"], ["dance"], ["ingest"]])
def test_what_it_does_not_know_ends_with_its_usage(
    world: World, arguments: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert task.main(arguments) == 2
    assert caplog.records[-1].getMessage().startswith("usage: python -m headwater.container.task train")


def test_a_refused_file_ends_with_one_clear_line(world: World, caplog: pytest.LogCaptureFixture) -> None:
    upload = world.upload("landing/weather/one.csv", "origin,temp\nJFK,1\n")
    assert task.main(["ingest", upload.model_dump_json()]) == 1
    (line,) = caplog.records
    assert line.levelname == "ERROR"
    assert line.getMessage().startswith("FileRefused: source 'weather': one.csv: missing columns: dewp, humid")


def test_a_file_is_ingested_as_the_function_does(world: World, caplog: pytest.LogCaptureFixture) -> None:
    header = "origin,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour\n"
    body = header + "JFK,39.0,26,59.4,270,10.4,NA,0,1012,10,2013-01-01T06:00:00Z\n"
    upload = world.upload("landing/weather/2013-01.csv", body)
    assert task.main(["ingest", upload.model_dump_json()]) == 0
    done = caplog.records[-1].__dict__["ingestion"]
    assert done["rows_out"] == 1
    assert world.keys(prefix="curated/") == [f"curated/weather@{done['definition']}/2013-01.csv.parquet"]


def test_a_training_that_fails_leaves_its_reason_beside_the_run(world: World, caplog: pytest.LogCaptureFixture) -> None:
    assert task.main(["train", "flight_delay", "run-1"]) == 1
    failure = failure_of(ARTIFACTS, "flight_delay", "run-1", CLIENTS)
    assert failure is not None
    assert failure.error == "InvalidExamples"
    assert failure.message.startswith("run 'run-1' of model 'flight_delay' has no training set")
    assert caplog.records[-1].getMessage() == f"InvalidExamples: {failure.message}"
    assert failure_of(ARTIFACTS, "flight_delay", "run-2", CLIENTS) is None


def test_a_setting_that_is_missing_is_named(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("HEADWATER_LAKE_BUCKET")
    assert task.main(["train", "flight_delay", "run-1"]) == 2
    assert "lake_bucket: Field required" in caplog.records[-1].getMessage()


def test_what_nobody_expected_is_logged_with_its_stack(world: World, caplog: pytest.LogCaptureFixture) -> None:
    CLIENTS("s3").delete_bucket(Bucket=ARTIFACTS)
    assert task.main(["train", "flight_delay", "run-1"]) == 1
    assert "NoSuchBucket" in caplog.records[-1].getMessage()


def test_the_dockerfile_can_be_followed_without_docker() -> None:
    text = Path(task.__file__).with_name("Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^ARG BASE_IMAGE=", text, re.MULTILINE)
    assert text.count("FROM ${BASE_IMAGE}") == 2
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    assert "--require-hashes" in text
    for run in re.findall(r"^RUN (.*)$", text, re.MULTILINE):
        assert not re.search(r"(^|\s)/", run), run


def test_a_source_is_made_again_as_the_function_does(world: World, caplog: pytest.LogCaptureFixture) -> None:
    assert task.main(["reingest", '{"source": "weather"}', "run-1"]) == 0
    assert caplog.records[-1].__dict__["reingestion"]["status"] == "NOTHING"
    assert task.main(["reingest", '{"source": "nosuch"}', "run-2"]) == 1
    assert caplog.records[-1].getMessage().startswith("UnknownSource: no source 'nosuch'. Declared: ")
    assert task.main(["reingest", "{}", "run-3"]) == 2
