"""An upload is one plain PutObject; what became of it is what the registry and the run say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from headwater.client import Stack
from headwater.client.errors import BadUpload, IngestionFailed, TookTooLong
from headwater.client.ingestions import SentFile
from headwater.lake.errors import FileRefused
from headwater.lake.store import IngestionLog
from headwater.lake.types import Ingestion, IngestionStatus
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.values import Pointer

MACHINE = {"StartAt": "S", "States": {"S": {"Type": "Succeed"}}}


@pytest.fixture
def sent(stack: Stack, tmp_path: Path) -> SentFile:
    file = tmp_path / "rows.csv"
    file.write_text("a,b\n1,2\n")
    return stack.upload("houses", file)


def record(sent: SentFile, status: IngestionStatus, **changes: object) -> Ingestion:
    entry = Ingestion(source=sent.source, file=sent.file, upload=sent.upload, status=status, at=datetime.now(UTC))
    return IngestionLog(Table("registry", CLIENTS)).record(entry.model_copy(update=changes))


def test_a_file_lands_under_its_source_as_a_version_of_its_own(stack: Stack, sent: SentFile) -> None:
    found = CLIENTS("s3").get_object(Bucket="lake", Key="landing/houses/rows.csv", VersionId=sent.version_id)
    assert found["Body"].read() == b"a,b\n1,2\n"


def test_the_run_has_the_name_that_intake_gives_it(sent: SentFile) -> None:
    event = {
        "detail": {
            "bucket": {"name": "lake"},
            "object": {"key": sent.key, "version-id": sent.version_id, "size": sent.size, "sequencer": "00AB"},
        }
    }
    assert type(sent.upload).from_event(event).id == sent.run_id


@pytest.mark.parametrize("name", ["", "a/b"])
def test_a_source_that_cannot_be_a_folder_is_refused(stack: Stack, tmp_path: Path, name: str) -> None:
    file = tmp_path / "rows.csv"
    file.touch()
    with pytest.raises(BadUpload, match="can't be a source's name"):
        stack.upload(name, file)


def test_a_file_that_does_not_exist_is_named(stack: Stack, tmp_path: Path) -> None:
    with pytest.raises(BadUpload, match=r"none\.csv does not exist"):
        stack.upload("houses", tmp_path / "none.csv")
    with pytest.raises(BadUpload, match="is a folder"):
        stack.upload("houses", tmp_path)


def test_ingestions_of_every_source_are_listed_the_newest_first(stack: Stack, tmp_path: Path) -> None:
    for source in ("houses", "streets"):
        file = tmp_path / f"{source}.csv"
        file.write_text("a\n1\n")
        record(stack.upload(source, file), IngestionStatus.INGESTED, rows_out=1)
    assert [entry.source for entry in stack.ingestions.list()] == ["streets", "houses"]
    assert [entry.source for entry in stack.ingestions.list("houses")] == ["houses"]


class FakeRun:
    """The ingestion machine's run of an upload, ended as a test wants it."""

    def __init__(self, sent: SentFile, status: str, **more: object) -> None:
        self.sent, self.answer = sent, {"status": status, **more}

    def __enter__(self) -> None:
        steps = CLIENTS("stepfunctions")
        role = "arn:aws:iam::123456789012:role/any"
        arn = steps.create_state_machine(
            name="headwater-dev-ingestion", definition=json.dumps(MACHINE), roleArn=role
        )["stateMachineArn"]  # fmt: skip
        steps.start_execution(stateMachineArn=arn, name=self.sent.run_id, input="{}")
        from moto.stepfunctions.models import stepfunctions_backends

        (machine,) = stepfunctions_backends["123456789012"]["us-east-1"].state_machines
        (run,) = machine.executions
        run.status = self.answer["status"]
        run.error, run.cause = self.answer.get("error"), self.answer.get("cause")

    def __exit__(self, *_: object) -> None:
        pass


def test_waiting_ends_with_what_the_registry_knows(stack: Stack, sent: SentFile) -> None:
    record(sent, IngestionStatus.INGESTED, rows_in=1, rows_out=1, curated=Pointer(bucket="b", key="k", version_id="v"))
    with FakeRun(sent, "SUCCEEDED"):
        assert stack.ingestions.wait(sent, timeout=5).rows_out == 1


def test_a_refused_file_raises_its_reason_and_the_place_of_its_rows(stack: Stack, sent: SentFile) -> None:
    place = Pointer(bucket="lake", key="quarantine/houses/rows/1.parquet", version_id="v")
    record(sent, IngestionStatus.REFUSED, reasons=("source 'houses': 1 of 1 rows rejected",), quarantine=place)
    with FakeRun(sent, "FAILED", error="FileRefused", cause="..."), pytest.raises(FileRefused) as caught:
        stack.ingestions.wait(sent, timeout=5)
    assert caught.value.exit_code == 5
    assert "1 of 1 rows rejected" in caught.value.message
    assert caught.value.next_steps == (
        f"headwater ingestions show {sent.run_id[:12]}",
        f"headwater ingestions quarantine {sent.run_id[:12]} --to rejected.csv",
    )


def test_a_run_that_fails_for_another_reason_is_no_refusal(stack: Stack, sent: SentFile) -> None:
    cause = json.dumps({"errorMessage": "no such column: price\n in line 3", "errorType": "SourceFailed"})
    with FakeRun(sent, "FAILED", error="SourceFailed", cause=cause), pytest.raises(IngestionFailed) as caught:
        stack.ingestions.wait(sent, timeout=5)
    assert caught.value.message == "rows.csv: SourceFailed: no such column: price in line 3"


def test_a_run_that_never_starts_is_not_waited_for_forever(stack: Stack, sent: SentFile) -> None:
    with pytest.raises(TookTooLong, match=r"landing/houses/rows\.csv: nothing came of it within 0\.3 s"):
        stack.ingestions.wait(sent, timeout=0.3)
