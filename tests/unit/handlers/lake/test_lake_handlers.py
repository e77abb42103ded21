"""Events in, one call of a service, small JSON out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headwater.handlers.lake import ingest, intake, refuse
from headwater.lake.errors import FileRefused, UnknownSource
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.versions.service import Versions
from tests.unit.lake.invocation import Context
from tests.unit.lake.world import LAKE, REGISTRY, World

HEADER = "origin,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour\n"
GOOD = HEADER + "JFK,39.0,26,59.4,270,10.4,,0,1012,10,2013-01-01T06:00:00Z\n"


@pytest.fixture(autouse=True)
def fresh(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    definition = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
    role = "arn:aws:iam::123456789012:role/machine"
    machine = CLIENTS("stepfunctions").create_state_machine(name="ingestion", definition=definition, roleArn=role)
    monkeypatch.setenv("HEADWATER_INGESTION_ARN", machine["stateMachineArn"])
    for module in (ingest, intake, refuse):
        module.service.cache_clear()  # type: ignore[attr-defined]


def event(upload: Any) -> dict[str, Any]:
    told = {"key": upload.key, "size": upload.size, "version-id": upload.version_id, "sequencer": upload.sequencer}
    return {"detail": {"bucket": {"name": upload.bucket}, "object": told}}


def test_intake_starts_one_run_for_an_upload_and_answers_with_its_name(world: World) -> None:
    upload = world.upload("landing/weather/2013-01.csv", GOOD)
    assert intake.handler(event(upload), Context()) == {"run_id": upload.id, "started": True}
    assert intake.handler(event(upload), Context())["run_id"] == upload.id
    arn = intake.Settings.from_environment().ingestion_arn
    assert len(CLIENTS("stepfunctions").list_executions(stateMachineArn=arn)["executions"]) == 1


def test_ingest_answers_with_what_became_of_the_upload(world: World) -> None:
    upload = world.upload("landing/weather/2013-01.csv", GOOD)
    answer = ingest.handler({"upload": upload.model_dump()}, Context())
    assert (answer["status"], answer["rows_out"], answer["code_version"]) == ("INGESTED", 1, "abc")
    assert answer["commit"] == Versions(LAKE, Table(REGISTRY, CLIENTS), CLIENTS).dataset("sources/weather").resolve()
    assert json.loads(json.dumps(answer)) == answer


def test_a_refused_file_raises_and_refuse_hands_on_the_same_cause(world: World) -> None:
    upload = world.upload("landing/weather/2013-01.csv", HEADER)
    with pytest.raises(FileRefused) as caught:
        ingest.handler({"upload": upload.model_dump()}, Context())
    error = {"Error": "FileRefused", "Cause": json.dumps({"errorMessage": str(caught.value)})}
    answer = refuse.handler({"upload": upload.model_dump(), "error": error}, Context())
    assert answer == {"Error": "FileRefused", "Cause": "source 'weather': 2013-01.csv: the file has no rows"}


def test_a_source_is_made_again_by_the_function_that_ingests(world: World) -> None:
    ingest.handler({"upload": world.upload("landing/weather/2013-01.csv", GOOD).model_dump()}, Context())
    answer = ingest.handler({"reingest": {"source": "weather", "dry_run": True}, "run_id": "run-1"}, Context())
    assert answer == {"complete": True, "status": "PLANNED", "commit": None}
    answer = ingest.handler({"reingest": {"source": "weather"}, "run_id": "run-2"}, Context())
    assert answer == {"complete": True, "status": "NOTHING", "commit": None}
    with pytest.raises(UnknownSource, match="no source 'nosuch'"):
        ingest.handler({"reingest": {"source": "nosuch"}, "run_id": "run-3"}, Context())
