"""What an event says, and one upload starting one run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.lake.errors import NotAnUpload
from headwater.lake.intake import Intake
from headwater.lake.types import Upload
from headwater.storage.environment import CLIENTS
from tests.unit.lake.world import World

ROLE = "arn:aws:iam::123456789012:role/machine"


def event(key: str = "landing/flights/2013-01.csv", **changes: Any) -> dict[str, Any]:
    created = {"key": key, "size": 12, "etag": "x", "version-id": "v1", "sequencer": "0055AED6DCD90281E5", **changes}
    return {"detail-type": "Object Created", "detail": {"bucket": {"name": "lake"}, "object": created}}


@pytest.fixture
def machine(world: World) -> str:
    definition = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
    answer = CLIENTS("stepfunctions").create_state_machine(name="ingestion", definition=definition, roleArn=ROLE)
    return str(answer["stateMachineArn"])


def started(machine: str) -> list[dict[str, Any]]:
    return list(CLIENTS("stepfunctions").list_executions(stateMachineArn=machine)["executions"])


def test_the_same_event_twice_starts_one_run_named_after_the_upload(machine: str) -> None:
    upload = Upload.from_event(event())
    intake = Intake(machine, CLIENTS)
    intake.start(upload)
    intake.start(Upload.from_event(event()))
    (run,) = started(machine)
    assert run["name"] == upload.id
    told = CLIENTS("stepfunctions").describe_execution(executionArn=run["executionArn"])
    assert json.loads(told["input"]) == {
        "upload": {
            "bucket": "lake",
            "key": "landing/flights/2013-01.csv",
            "version_id": "v1",
            "size": 12,
            "sequencer": "0055AED6DCD90281E5",
        }
    }


def test_another_version_of_the_same_key_is_another_upload(machine: str) -> None:
    intake = Intake(machine, CLIENTS)
    intake.start(Upload.from_event(event()))
    intake.start(Upload.from_event(event(**{"version-id": "v2"})))
    assert len(started(machine)) == 2


def test_the_empty_object_of_a_folder_starts_nothing(machine: str) -> None:
    assert not Intake(machine, CLIENTS).start(Upload.from_event(event("landing/flights/", size=0)))
    assert started(machine) == []


@pytest.mark.parametrize(
    "key", ["landing/flights/a+b.csv", "landing/flights/a%20b.csv", "landing/flights/Zürich 😀.csv"]
)
def test_a_key_is_taken_as_eventbridge_gives_it(key: str) -> None:
    assert Upload.from_event(event(key)).key == key


def test_an_event_without_a_version_says_that_the_bucket_may_not_be_versioned() -> None:
    broken = event()
    del broken["detail"]["object"]["version-id"]
    with pytest.raises(NotAnUpload, match="version-id; is the bucket versioned"):
        Upload.from_event(broken)


@pytest.mark.parametrize("broken", [{}, {"detail": None}, {"detail": {"bucket": {"name": "lake"}}}, {"detail": "text"}])
def test_what_is_no_event_of_a_created_object_is_said_to_be_none(broken: dict[str, Any]) -> None:
    with pytest.raises(NotAnUpload):
        Upload.from_event(broken)


@pytest.mark.parametrize(
    ("key", "source", "file", "stem", "suffix"),
    [
        ("landing/flights/2013-01.csv", "flights", "2013-01.csv", "2013-01", ".csv"),
        ("landing/flights/2013/01.csv.gz", "flights", "2013/01.csv.gz", "2013/01", ".csv"),
        ("landing/flights/a.b.JSONL", "flights", "a.b.JSONL", "a.b", ".jsonl"),
        ("landing/flights/noname", "flights", "noname", "noname", ""),
        ("landing/flights/.csv", "flights", ".csv", ".csv", ""),
        ("landing/lonely.csv", "", "lonely.csv", "lonely", ".csv"),
    ],
)
def test_source_and_file_are_read_from_the_key(key: str, source: str, file: str, stem: str, suffix: str) -> None:
    upload = Upload.from_event(event(key))
    assert (upload.source, upload.file, upload.stem, upload.suffix) == (source, file, stem, suffix)


@given(st.text("0123456789ABCDEF", min_size=1, max_size=20), st.text("0123456789abcdef", min_size=1, max_size=20))
def test_sequencers_compare_as_s3_documents_padded_on_the_right(first: str, second: str) -> None:
    width = max(len(first), len(second))
    by_s3 = int(first.ljust(width, "0"), 16) < int(second.ljust(width, "0"), 16)
    one, other = (Upload.from_event(event(sequencer=text)) for text in (first, second))
    assert (one.order < other.order) == by_s3
