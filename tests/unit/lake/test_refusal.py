"""Failures that ingestion couldn't record itself, in one line."""

from __future__ import annotations

import json

import pytest

from headwater.lake.refusal import Refusals, one_line
from headwater.lake.store import IngestionLog
from headwater.lake.types import IngestionStatus
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.lake.world import REGISTRY, World


@pytest.mark.parametrize(
    ("cause", "line"),
    [
        (json.dumps({"errorMessage": "no\n such table", "errorType": "X", "stackTrace": []}), "no such table"),
        (
            json.dumps({"Containers": [{"Name": "training", "ExitCode": 137, "Reason": "OutOfMemoryError"}]}),
            "container training exited with code 137: OutOfMemoryError",
        ),
        (
            json.dumps({"containers": [{"name": "training", "exitCode": 1}], "stoppedReason": "Essential container"}),
            "container training exited with code 1 (Essential container)",
        ),
        ("Task timed out", "Task timed out"),
        (None, ""),
        ("[1]", "[1]"),
    ],
)
def test_the_cause_of_a_failed_state_becomes_one_line(cause: str | None, line: str) -> None:
    assert one_line(cause) == line


def test_a_task_that_died_without_a_word_is_recorded(world: World) -> None:
    upload = world.upload("landing/readings/one.csv", "x")
    refusal = Refusals(Table(REGISTRY, CLIENTS)).record(upload, error={"Error": "States.Timeout", "Cause": ""})
    assert refusal.cause == "the ingestion stopped without saying why"
    known = IngestionLog(Table(REGISTRY, CLIENTS)).ingestion(upload)
    assert known is not None
    assert known.reasons == ("States.Timeout: the ingestion stopped without saying why",)


def test_what_ingestion_said_itself_is_kept_and_handed_on(world: World) -> None:
    lake, upload = world.lake(), world.upload("landing/unheard/one.csv", "x")
    with pytest.raises(Exception, match="unknown source"):
        lake.ingest(upload)
    refusal = Refusals(Table(REGISTRY, CLIENTS)).record(upload, error={"Error": "States.TaskFailed", "Cause": "exit 1"})
    assert refusal.error == "FileRefused"
    assert refusal.cause == "source 'unheard': one.csv: unknown source. Declared: readings"


def test_a_success_is_never_overwritten_by_a_late_failure(world: World) -> None:
    lake = world.lake()
    upload = world.upload("landing/readings/one.csv", "sensor,level,note,ok\na,1,,true\n")
    lake.ingest(upload)
    Refusals(Table(REGISTRY, CLIENTS)).record(upload, error={"Error": "States.Timeout", "Cause": ""})
    known = lake.ingestion_log.ingestion(upload)
    assert known is not None
    assert known.status is IngestionStatus.INGESTED


def test_what_died_after_its_commit_counts_and_the_registry_says_so(world: World) -> None:
    lake, upload = world.lake(), world.upload("landing/readings/one.csv", "sensor,level,note,ok\na,1,,true\n")
    done = lake.ingest(upload)
    # The process died before it could note the commit.
    document = done.model_copy(update={"commit": None}).model_dump_json()
    CLIENTS("dynamodb").update_item(
        TableName=REGISTRY,
        Key={"pk": {"S": "SOURCE#readings"}, "sk": {"S": f"INGESTION#{upload.version_id}#one.csv"}},
        UpdateExpression="SET #document = :document REMOVE settled",
        ExpressionAttributeNames={"#document": "document"},
        ExpressionAttributeValues={":document": {"S": document}},
    )
    refusal = Refusals(Table(REGISTRY, CLIENTS)).record(upload, error={"Error": "States.Timeout", "Cause": ""})
    assert refusal.error == "States.Timeout"
    assert lake.ingestion_log.ingestion(upload) == done
