"""What landed before its rule did is found, once, and nothing else is started."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from headwater.handlers.lake import sweep as function
from headwater.lake.sweep import GRACE, WINDOW, Sweep
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.handlers.lake.test_lake_handlers import GOOD
from tests.unit.lake.invocation import Context
from tests.unit.lake.test_ingestion import GOOD as READINGS
from tests.unit.lake.world import LAKE, REGISTRY, World


@pytest.fixture
def arn(world: World) -> str:
    definition = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
    role = "arn:aws:iam::123456789012:role/machine"
    made = CLIENTS("stepfunctions").create_state_machine(name="ingestion", definition=definition, roleArn=role)
    return str(made["stateMachineArn"])


def later(by: timedelta = GRACE) -> datetime:
    """That long after what was uploaded just now."""
    return datetime.now(UTC) + by + timedelta(seconds=1)


def runs(arn: str) -> list[str]:
    return [run["name"] for run in CLIENTS("stepfunctions").list_executions(stateMachineArn=arn)["executions"]]


def test_an_upload_without_a_run_is_started_once(world: World, arn: str) -> None:
    upload = world.upload("landing/weather/2013-01.csv", GOOD)
    sweep = Sweep(LAKE, Table(REGISTRY, CLIENTS), arn, CLIENTS)
    assert [found.id for found in sweep.sweep(later())] == [upload.id] == runs(arn)
    sweep.sweep(later())
    assert runs(arn) == [upload.id]
    given = CLIENTS("stepfunctions").describe_execution(
        executionArn=f"{arn.replace(':stateMachine:', ':execution:')}:{upload.id}"
    )["input"]
    assert json.loads(given)["upload"] == {**upload.model_dump(), "sequencer": "0"}


def test_what_was_ingested_or_refused_is_left_alone(world: World, arn: str) -> None:
    world.lake().ingest(world.upload("landing/readings/one.csv", READINGS))
    assert Sweep(LAKE, Table(REGISTRY, CLIENTS), arn, CLIENTS).sweep(later()) == []
    assert runs(arn) == []


def test_only_the_newest_version_of_a_file_is_started(world: World, arn: str) -> None:
    world.upload("landing/weather/2013-01.csv", GOOD)
    newest = world.upload("landing/weather/2013-01.csv", GOOD + GOOD.splitlines()[1] + "\n")
    CLIENTS("s3").put_object(Bucket=LAKE, Key="landing/weather/", Body=b"")  # the console's folder
    CLIENTS("s3").put_object(Bucket=LAKE, Key="curated/weather/other.csv", Body=b"1")
    gone = world.upload("landing/weather/gone.csv", GOOD)
    CLIENTS("s3").delete_object(Bucket=LAKE, Key=gone.key)
    assert [found.id for found in Sweep(LAKE, Table(REGISTRY, CLIENTS), arn, CLIENTS).sweep(later())] == [newest.id]


def test_a_young_upload_is_left_to_its_event_and_an_old_one_to_a_sweep_of_all(world: World, arn: str) -> None:
    world.upload("landing/weather/2013-01.csv", GOOD)
    sweep = Sweep(LAKE, Table(REGISTRY, CLIENTS), arn, CLIENTS)
    assert sweep.sweep(datetime.now(UTC)) == []
    assert sweep.sweep(later(WINDOW + GRACE)) == []
    assert len(sweep.sweep(later(WINDOW + GRACE), everything=True)) == 1


def test_the_function_tells_what_it_started(world: World, arn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWATER_INGESTION_ARN", arn)
    function.service.cache_clear()  # type: ignore[attr-defined]
    world.upload("landing/weather/2013-01.csv", GOOD)
    assert function.handler({}, Context()) == {"started": []}  # it is seconds old
